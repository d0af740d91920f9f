//! HTML that a hostile message may have: it wants to run something, or to be noticed.
//!
//! `{s}` is an address that only a script asks for, `{l}` one that is asked for by being shown.

/// The bodies; each is a message.
pub(crate) const BODIES: [&str; 40] = [
    "<script>fetch('{s}')</script>",
    "<script>new Image().src='{s}'</script>",
    "<img src=x onerror=\"fetch('{s}')\">",
    "<svg onload=\"fetch('{s}')\"></svg>",
    "<svg><script>fetch('{s}')</script></svg>",
    "<body onload=\"fetch('{s}')\">x",
    "<details open ontoggle=\"fetch('{s}')\">x</details>",
    "<video><source onerror=\"fetch('{s}')\"></video>",
    "<input autofocus onfocus=\"fetch('{s}')\">",
    "<marquee onstart=\"fetch('{s}')\">x</marquee>",
    "<iframe srcdoc=\"<script>fetch('{s}')</script>\"></iframe>",
    "<iframe src=\"javascript:fetch('{s}')\"></iframe>",
    "<object data=\"data:text/html,<script>fetch('{s}')</script>\"></object>",
    "<embed src=\"data:text/html,<script>fetch('{s}')</script>\">",
    "<math><mtext><table><mglyph><style><!--</style><img title=\"--&gt;&lt;img src=x \
        onerror=fetch('{s}')&gt;\">",
    "<noscript><p title=\"</noscript><img src=x onerror=fetch('{s}')>\"></noscript>",
    "<template><script>fetch('{s}')</script></template><script>fetch('{s}')</script>",
    "<form action='{s}'><button autofocus onfocus='this.form.submit()'>x</button></form>",
    "<a href=\"javascript:fetch('{s}')\" autofocus onfocus=this.click()>x</a>",
    "<meta http-equiv=refresh content=\"0;url={l}\">",
    "<meta http-equiv=refresh content=\"0;url=javascript:fetch('{s}')\">",
    "<base href='{l}/'><img src=relative.png>",
    "<img src='{l}'>",
    "<img srcset='{l} 1x, {l} 2x' src=x>",
    "<picture><source srcset='{l}'><img src=x></picture>",
    "<link rel=stylesheet href='{l}'>",
    "<link rel=preload as=image href='{l}'>",
    "<link rel=prefetch href='{l}'>",
    "<style>@import url('{l}');</style>x",
    "<style>body{background:url('{l}')}</style>x",
    "<style>@font-face{font-family:f;src:url('{l}')}p{font-family:f}</style><p>x",
    "<p style=\"background:url('{l}')\">x</p>",
    "<p style=\"list-style-image:url('{l}');display:list-item\">x</p>",
    "<table background='{l}'><tr><td background='{l}'>x</td></tr></table>",
    "<video poster='{l}' src='{l}' autoplay></video>",
    "<audio src='{l}' autoplay></audio>",
    "<iframe src='{l}'></iframe>",
    "<object data='{l}'></object>",
    "<embed src='{l}'>",
    "<svg><image href='{l}'/><use href='{l}#x'/></svg>",
];

/// One body with its addresses.
pub(crate) fn body(text: &str, port: u16, number: usize) -> String {
    let address = |kind: &str| format!("http://127.0.0.1:{port}/hit/{kind}/{number}");
    text.replace("{s}", &address("script")).replace("{l}", &address("load"))
}

//! HTML that a hostile message may have: it wants to run something, or to be noticed.
//!
//! `{s}` is an address that only a script asks for, `{l}` one that is asked for by being shown.

/// The bodies; each is a message.
pub(crate) const BODIES: [&str; 108] = [
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
    // Parsed again, another document than before.
    "<svg></p><style><a id=\"</style><img src=x onerror=fetch('{s}')>\">",
    "<math><mi><style><!--</style><img src=x onerror=fetch('{s}')>",
    "<math><mtext><mglyph><svg><mtext><style><path id=\"</style><img src=x \
        onerror=fetch('{s}')>\">",
    "<form><math><mtext></form><form><mglyph><style></math><img src=x onerror=fetch('{s}')>",
    "<svg><title><style><img src=\"</style><img src=x onerror=fetch('{s}')>\">",
    "<noembed><img title=\"</noembed><img src=x onerror=fetch('{s}')>\"></noembed>",
    "<noframes><img title=\"</noframes><img src=x onerror=fetch('{s}')>\"></noframes>",
    "<xmp><p title=\"</xmp><img src=x onerror=fetch('{s}')>\"></xmp>",
    "<textarea><p title=\"</textarea><img src=x onerror=fetch('{s}')>\"></textarea>",
    "<title><p title=\"</title><img src=x onerror=fetch('{s}')>\">",
    "<select><style></select><img src=x onerror=fetch('{s}')></style></select>",
    "<div><template shadowrootmode=open><img src=x onerror=fetch('{s}')></template></div>",
    "<!--><img src=x onerror=fetch('{s}')>-->",
    "<![CDATA[><img src=x onerror=fetch('{s}')>]]>",
    "<?xml-stylesheet ><img src=x onerror=fetch('{s}')>",
    "<p title='`<img src=x onerror=fetch(\"{s}\")>`'><img/src='x'/onerror=fetch('{s}')>",
    // Other ways to run.
    "<ScRiPt>fetch('{s}')</sCrIpT>",
    "<script src='{s}'></script>",
    "<script type=module>import('{s}')</script>",
    "<svg><script href='{s}'/></svg>",
    "<svg><script>&#102;etch('{s}')</script></svg>",
    "<svg><animate onbegin=fetch('{s}') attributeName=x dur=1s></svg>",
    "<svg><set onbegin=fetch('{s}') attributeName=x dur=1s></svg>",
    "<svg><foreignObject><img src=x onerror=fetch('{s}')></foreignObject></svg>",
    "<svg><a xlink:href=\"javascript:fetch('{s}')\" autofocus tabindex=1 \
        onfocus=fetch('{s}')><text>x</text></a></svg>",
    "<math><mi href=\"javascript:fetch('{s}')\" autofocus tabindex=1 onfocus=fetch('{s}')>x</mi>\
        </math>",
    "<style>@keyframes x{}</style><p style='animation:x' onanimationstart=fetch('{s}')>x",
    "<style onload=fetch('{s}')>p{}</style>",
    "<link rel=stylesheet href=http://127.0.0.1:1/ onerror=fetch('{s}')>",
    "<body onpageshow=fetch('{s}')>x",
    "<dialog open><img src=x onerror=fetch('{s}')></dialog>",
    "<div popover id=p onbeforetoggle=fetch('{s}')>x</div><button popovertarget=p autofocus \
        onfocus=this.click()>x</button>",
    "<p contenteditable autofocus onfocus=fetch('{s}')>x",
    "<image src=x onerror=fetch('{s}')>",
    "<input type=image src=x onerror=fetch('{s}')>",
    "<object data=http://127.0.0.1:1/ onerror=fetch('{s}')></object>",
    "<audio src=x onerror=fetch('{s}')></audio>",
    "<iframe srcdoc='&lt;img src=x onerror=fetch(\"{s}\")&gt;'></iframe>",
    "<iframe src=\"data:text/html,<script>fetch('{s}')</script>\"></iframe>",
    "<object data=\"data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg'><script>\
        fetch('{s}')</script></svg>\"></object>",
    "<iframe src=\"jav&#x09;ascript:fetch('{s}')\"></iframe>",
    "<form><button formaction=\"javascript:fetch('{s}')\" autofocus onfocus=this.click()>x\
        </button></form>",
    "<frameset onload=fetch('{s}')><frame src=x></frameset>",
    // Other ways to be noticed.
    "<style>@import '{l}' layer(x);</style>x",
    "<svg><style>@import '{l}';</style></svg>",
    "<style>body::before{content:url('{l}')}</style>x",
    "<style>p{background:image-set('{l}' 1x)}</style><p>x",
    "<style>p{background:-webkit-image-set(url('{l}') 1x)}</style><p>x",
    "<p style=\"background:\\75rl('{l}')\">x</p>",
    "<p style=\"border-image:url('{l}') 1;border:1px solid\">x</p>",
    "<p style=\"mask-image:url('{l}')\">x</p>",
    "<p style=\"shape-outside:url('{l}');float:left\">x</p>",
    "<p style=\"filter:url('{l}#f')\">x</p>",
    "<p style=\"clip-path:url('{l}#c')\">x</p>",
    "<style>p{background:url('{l}')/*</style><p>*/}</style>x",
    "<body background='{l}'>x",
    "<input type=image src='{l}'>",
    "<svg><image xlink:href='{l}'/></svg>",
    "<svg><filter id=f><feImage href='{l}'/></filter><rect width=9 height=9 filter='url(#f)'/>\
        </svg>",
    "<link rel=modulepreload href='{l}'>",
    "<link rel=icon href='{l}'>",
    "<link rel=stylesheet/x href='{l}'><link rel='alternate stylesheet' href='{l}'>",
    "<base href='{l}/'><style>p{background:url(relative)}</style><p>x",
    "<META HTTP-EQUIV=\"Refresh\" CONTENT=\"0; URL='{l}'\">",
    "<frameset><frame src='{l}'></frameset>",
    // What other browsers do, or did; here they do nothing anywhere.
    "<p style=\"width:expression(fetch('{s}'))\">x</p>",
    "<p style=\"-moz-binding:url('{l}#x')\">x</p>",
    "<img src=\"data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg' \
        onload='fetch(&quot;{s}&quot;)'></svg>\">",
];

/// One body with its addresses.
pub(crate) fn body(text: &str, port: u16, number: usize) -> String {
    let address = |kind: &str| format!("http://127.0.0.1:{port}/hit/{kind}/{number}");
    text.replace("{s}", &address("script")).replace("{l}", &address("load"))
}

/// Texts that a message, a program or a query may have where a page shows it; each would run where
/// it is written as it is.
pub(crate) const TEXTS: [&str; 4] = [
    "<script>fetch('{s}')</script>",
    "\"><img src=x onerror=\"fetch('{s}')\">",
    "'><svg onload='fetch(&quot;{s}&quot;)'>",
    "</title></textarea></style><img src=x onerror=fetch('{s}')>\u{202e}txt.exe",
];

/// Attachments that are documents: type, name, and text.
pub(crate) const FILES: [(&str, &str, &str); 5] = [
    (
        "image/svg+xml",
        "picture.svg",
        "<svg xmlns='http://www.w3.org/2000/svg'><script>fetch('{s}')</script></svg>",
    ),
    ("text/html", "page.html", "<script>fetch('{s}')</script><img src='{l}'>"),
    (
        "application/xhtml+xml",
        "page.xhtml",
        "<html xmlns='http://www.w3.org/1999/xhtml'><script>fetch('{s}')</script></html>",
    ),
    (
        "text/xml",
        "page.xml",
        "<x:script xmlns:x='http://www.w3.org/1999/xhtml'>fetch('{s}')</x:script>",
    ),
    ("image/png", "picture.png", "<html><script>fetch('{s}')</script>"),
];
/// The number of the first of each kind in what is asked for.
pub(crate) const FIRST_TEXT: usize = 500;
pub(crate) const FIRST_FILE: usize = 600;

/// What stands before a body on the page without walls: it is parsed once more when it is there.
pub(crate) const AGAIN: &str = "<!doctype html><script>addEventListener('load', () => { \
    const again = document.createElement('div'); again.innerHTML = document.body.innerHTML; \
    document.body.append(again); })</script>";

// The client `mailpit-api`, each of its calls once. Prints what it got as JSON.
const { MailpitClient } = require("mailpit-api");

async function main() {
  const [base, user, password] = process.argv.slice(2);
  const options = user ? { auth: { username: user, password: password || "x" } } : undefined;
  const client = new MailpitClient(base, options);
  const got = {};
  const call = async (name, promise) => {
    try { got[name] = await promise; } catch (error) { got[name] = { failed: String(error.message) }; }
    return got[name];
  };
  const png = Buffer.from(process.env.PNG, "base64").toString("base64");
  await call("send", client.sendMessage({
    From: { Email: "ann@a.example", Name: "Ann" },
    To: [{ Email: "bob@b.example", Name: "Bob" }],
    Cc: [{ Email: "carl@c.example" }],
    Bcc: ["hidden@d.example"],
    ReplyTo: [{ Email: "reply@a.example" }],
    Subject: "By the client",
    Text: "Text of it",
    HTML: "<p style='display:grid'>HTML of it <a href='http://127.0.0.1:9/'>link</a></p>",
    Headers: { "X-Test": "yes" },
    Tags: ["first", "second"],
    Attachments: [{ Content: png, Filename: "p.png", ContentType: "image/png" }],
  }));
  const id = got.send.ID;
  await call("waitForMessage", client.waitForMessage({ query: 'subject:"by the client"' }));
  await call("waitForMessages", client.waitForMessages({ query: "to:bob", count: 1 }));
  await call("info", client.getInfo());
  await call("configuration", client.getConfiguration());
  await call("message", client.getMessageSummary(id));
  await call("headers", client.getMessageHeaders(id));
  const part = got.message.Attachments[0].PartID;
  const blob = await client.getMessageAttachment(id, part);
  got.attachment = Buffer.from(await blob.arrayBuffer()).toString("base64");
  const thumb = await client.getAttachmentThumbnail(id, part);
  got.thumb = [thumb.type, thumb.size];
  await call("source", client.getMessageSource(id));
  await call("list", client.listMessages(0, 10));
  await call("unread", client.setReadStatus({ IDs: [id], Read: false }));
  await call("search", client.searchMessages({ query: "is:unread tag:first" }));
  await call("html", client.htmlCheck(id));
  await call("links", client.linkCheck(id));
  await call("spam", client.spamAssassinCheck(id));
  await call("tags", client.getTags());
  await call("setTags", client.setTags({ IDs: [id], Tags: ["third / odd"] }));
  await call("renameTag", client.renameTag("third / odd", "fourth"));
  await call("tagged", client.searchMessages({ query: "tag:fourth" }));
  await call("deleteTag", client.deleteTag("fourth"));
  await call("noTags", client.getTags());
  await call("chaos", client.getChaosTriggers());
  await call("setChaos", client.setChaosTriggers({ Sender: { ErrorCode: 451, Probability: 100 } }));
  await call("resetChaos", client.setChaosTriggers({}));
  await call("release", client.releaseMessage(id, { To: ["real@d.example"] }));
  await call("viewHtml", client.renderMessageHTML(id));
  await call("viewText", client.renderMessageText("latest"));
  await call("deleteSearch", client.deleteMessagesBySearch({ query: "subject:client" }));
  await call("after", client.listMessages());
  await call("deleteAll", client.deleteMessages());
  console.log(JSON.stringify(got));
}
main().catch((error) => { console.error(error); process.exit(1); });

// The client `mailhog`, each of its calls. Prints what it got as JSON.
async function main() {
  const [port, basePath] = process.argv.slice(2);
  const client = require("mailhog")({ port: Number(port), ...(basePath ? { basePath } : {}) });
  const plain = (one) => one && { ID: one.ID, subject: one.subject, from: one.from, to: one.to,
    cc: one.cc, replyTo: one.replyTo, text: one.text, html: one.html, date: one.date,
    deliveryDate: one.deliveryDate, helo: one.Raw.Helo, recipients: one.Raw.To,
    attachments: one.attachments.map((file) => ({ name: file.name, type: file.type,
      body: client.decode(file.Body, file.encoding, "binary").toString().trim() })) };
  const got = {};
  got.all = await client.messages();
  got.messages = got.all.items.map(plain);
  delete got.all.items;
  got.second = (await client.messages(1, 1)).items.map(plain);
  got.from = plain(await client.latestFrom("app@shop.example"));
  got.to = plain(await client.latestTo("hidden@"));
  got.containing = plain(await client.latestContaining("gr\u00fcn"));
  got.none = await client.search("nothing has this");
  got.release = await client.releaseMessage(got.from.ID, { host: "127.0.0.1", port: "25",
    email: "real@d.example" }).then((answer) => answer.statusCode, (error) => String(error));
  got.deleted = (await client.deleteMessage(got.from.ID)).statusCode;
  got.left = (await client.messages()).total;
  got.emptied = (await client.deleteAll()).statusCode;
  got.empty = (await client.messages()).total;
  console.log(JSON.stringify(got));
}
main().catch((error) => { console.error(error); process.exit(1); });

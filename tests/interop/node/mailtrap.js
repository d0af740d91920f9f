// The client `mailtrap`, each call of its testing API. Prints what it got as JSON.
const { MailtrapClient } = require("mailtrap");

async function main() {
  const testInboxId = Number(process.argv[2]);
  const token = process.argv[3];
  const sender = new MailtrapClient({ token, testInboxId, sandbox: true, accountId: 4711 });
  const { inboxes, messages, projects, attachments } = sender.testing;
  const got = {};
  got.sent = await sender.send({
    from: { email: "ann@a.example", name: "Ann" },
    to: [{ email: "bob@b.example", name: "Bob" }],
    subject: "By the client",
    text: "Text of it",
    html: "<p style='display:grid'>HTML of it</p>",
    category: "Tests",
    custom_variables: { run: "17" },
    attachments: [{ filename: "a.txt", content: Buffer.from("hello"), type: "text/plain" }],
  });
  got.batch = await sender.batchSend({
    base: { from: { email: "ann@a.example" }, subject: "Batch", text: "x" },
    requests: [{ to: [{ email: "one@b.example" }] }, { to: [{ email: "no address" }] }],
  });
  got.accounts = await sender.general.accounts.getAllAccounts();
  got.list = await messages.get(testInboxId);
  got.search = await messages.get(testInboxId, { search: "by the client" });
  const id = got.search[0].id;
  got.before = await messages.get(testInboxId, { last_id: id });
  got.one = await messages.showEmailMessage(testInboxId, id);
  got.read = await messages.updateMessage(testInboxId, id, { isRead: true });
  got.spam = await messages.getSpamScore(testInboxId, id);
  got.analysis = await messages.getHtmlAnalysis(testInboxId, id);
  got.text = await messages.getTextMessage(testInboxId, id);
  got.raw = await messages.getRawMessage(testInboxId, id);
  got.eml = await messages.getMessageAsEml(testInboxId, id);
  got.html = await messages.getHtmlMessage(testInboxId, id);
  got.source = await messages.getMessageHtmlSource(testInboxId, id);
  got.headers = await messages.getMailHeaders(testInboxId, id);
  got.attachments = await attachments.getList(testInboxId, id);
  got.attachment = await attachments.get(testInboxId, id, got.attachments[0].id);
  got.forward = await messages.forward(testInboxId, id, "real@d.example")
    .catch((error) => ({ failed: error.message }));
  const { templates } = sender;
  got.template = await templates.create({ name: "Welcome", subject: "Hi {{name}}", category: "Mails",
    body_html: "<p>{{name}}{{#each items}} <b>{{this}}</b>{{/each}}</p>", body_text: "{{name}}" });
  got.templateChanged = await templates.update(got.template.id, { body_text: "Dear {{name}}" });
  got.templates = await templates.getList();
  got.templateRead = await templates.get(got.template.id);
  got.byTemplate = await sender.send({ from: { email: "ann@a.example" }, to: [{ email: "bob@b.example" }],
    template_uuid: got.template.uuid, template_variables: { name: "<Ann>", items: ["x", "y"] } });
  const filled = (await messages.get(testInboxId))[0];
  got.filled = [filled.subject, (await messages.getMessageHtmlSource(testInboxId, filled.id)).trim(),
    (await messages.getTextMessage(testInboxId, filled.id)).trim()];
  await templates.delete(got.template.id);
  got.noTemplates = await templates.getList();
  got.wrongTemplate = await templates.create({ name: "W", subject: "{{#if}}", category: "c",
    body_html: "x" }).catch((error) => error.message);
  got.project = await projects.create("A project");
  got.renamed = await projects.update(got.project.id, "Another name");
  got.inbox = await inboxes.create(got.project.id, "An inbox");
  got.projects = await projects.getList();
  got.inProject = await projects.getById(got.project.id);
  got.attributes = await inboxes.getInboxAttributes(got.inbox.id);
  got.updated = await inboxes.updateInbox(got.inbox.id, { name: "Changed", emailUsername: "My-Own" });
  got.password = await inboxes.resetCredentials(got.inbox.id);
  got.toggled = await inboxes.enableEmailAddress(got.inbox.id);
  got.address = await inboxes.resetEmailAddress(got.inbox.id);
  got.inboxes = await inboxes.getList();
  got.removed = await projects.delete(got.project.id);
  got.gone = await inboxes.getInboxAttributes(got.inbox.id).catch((error) => error.message);
  got.deleted = await messages.deleteMessage(testInboxId, id);
  got.allRead = await inboxes.markAsRead(testInboxId);
  got.cleaned = await inboxes.cleanInbox(testInboxId);
  console.log(JSON.stringify(got));
}
main().catch((error) => { console.error(error.message, error.cause?.response?.data); process.exit(1); });

// Reads {"name": html, …} from standard input and writes, for each feature that some client lacks, the clients and the
// emails that use it: {"feature": {"clients": […], "emails": […]}, …}. Runs where the package caniemail is installed.
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import { text } from "node:stream/consumers";

const [folder, ...clients] = process.argv.slice(2);
const entry = createRequire(`${folder}/`).resolve("caniemail");
const { caniemail } = await import(pathToFileURL(entry));
const found = {};
for (const [name, html] of Object.entries(JSON.parse(await text(process.stdin)))) {
  for (const [client, issues] of caniemail({ clients, html }).issues.errors) {
    for (const title of new Set(issues.map((issue) => issue.title))) {
      const feature = (found[title] ??= { clients: [], emails: [] });
      if (!feature.clients.includes(client)) feature.clients.push(client);
      if (!feature.emails.includes(name)) feature.emails.push(name);
    }
  }
}
console.log(JSON.stringify(found));

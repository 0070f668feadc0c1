// promptfoo's is-refusal: an empty reply, or one that its isBasicRefusal takes for a refusal.
//
//     node promptfoo_refusal.cjs FOLDER     where `npm pack promptfoo` was unpacked: FOLDER/package
//
// The package (github.com/promptfoo/promptfoo) exports the assertion only with all it depends on.
// The one file with the function is loaded unchanged; modules beside it that the function does not
// use are replaced by empty ones. Speaks as lines.py does.

const fs = require("node:fs");
const Module = require("node:module");
const path = require("node:path");
const readline = require("node:readline");

const folder = path.resolve(process.argv[2] ?? ".", "package");
const source = path.join(folder, "dist", "src");

function holdsIt(name) {
  if (!/^util-.*\.cjs$/.test(name)) return false;
  return fs.readFileSync(path.join(source, name), "utf8").includes("function isBasicRefusal(");
}

function load(name) {
  const usual = Module._load;
  Module._load = (asked, ...rest) =>
    asked.startsWith("./") && !asked.startsWith("./text-") ? {} : usual(asked, ...rest);
  try {
    return require(path.join(source, name)).isBasicRefusal;
  } finally {
    Module._load = usual;
  }
}

const isBasicRefusal = load(fs.readdirSync(source).find(holdsIt));
const { version } = JSON.parse(fs.readFileSync(path.join(folder, "package.json"), "utf8"));
const status = "/proc/self/status";

function peak() {
  if (!fs.existsSync(status)) return process.resourceUsage().maxRSS;
  return Number(/VmHWM:\s*(\d+)/.exec(fs.readFileSync(status, "utf8"))[1]);
}

const say = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);

say({ version });
readline
  .createInterface({ input: process.stdin })
  .on("line", (line) => {
    const { reply } = JSON.parse(line);
    const began = process.hrtime.bigint();
    const withheld = reply.trim() === "" || isBasicRefusal(reply);
    const took = process.hrtime.bigint() - began;
    say({ withheld, ns: Number(took) });
  })
  .on("close", () => say({ memory: peak() / 1024 }));

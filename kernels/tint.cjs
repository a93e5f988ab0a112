// Compiles the WGSL files of a folder with Tint: see README.md.

const fs = require("node:fs");
const path = require("node:path");
const { pathToFileURL } = require("node:url");

async function main([folder]) {
    const { create, globals } = await import(pathToFileURL(require.resolve("webgpu")));
    Object.assign(globalThis, globals);
    // A name of its own keeps it alive: what comes from it does not.
    const gpu = create(["backend=null"]);
    const adapter = await gpu.requestAdapter();
    const device = await adapter.requestDevice({ requiredFeatures: ["shader-f16"] });
    const files = fs.readdirSync(folder).filter((name) => name.endsWith(".wgsl"));
    let refused = 0;
    for (const name of files) {
        const code = fs.readFileSync(path.join(folder, name), "utf8");
        device.pushErrorScope("validation");
        const module = device.createShaderModule({ code });
        // A device of the null backend has eight storage buffers: a kernel with more is compiled and not bound.
        if (code.match(/@binding/g).length <= device.limits.maxStorageBuffersPerShaderStage) {
            device.createComputePipeline({ layout: "auto", compute: { module, entryPoint: "main" } });
        }
        const { messages } = await module.getCompilationInfo();
        const failure = await device.popErrorScope();
        if (failure) {
            refused += 1;
            const [first] = messages.filter(({ type }) => type === "error");
            console.error(name, first ? `${first.lineNum}: ${first.message}` : failure.message);
        }
    }
    console.log(`${files.length - refused} of ${files.length} texts compile`);
    process.exit(files.length > 0 && refused === 0 ? 0 : 1);
}

main(process.argv.slice(2));

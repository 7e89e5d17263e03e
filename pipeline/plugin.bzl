"""pb_library: C++ of .proto files by the system's protoc. plugins: a folder of plugins."""

# What generated sources define for themselves alone under the same names, and the headers that they include.
_FILE_LOCAL_NAMES = ["file_default_instances", "schemas"]
_GENERATED_CODE_INCLUDES = ["descriptor", "generated_message_reflection", "reflection_ops", "wire_format"]

def _protoc_impl(ctx):
    outs = []
    imports = depset(ctx.files.imports)
    for src in ctx.files.srcs:
        base = src.basename[:-len(".proto")]
        pair = [ctx.actions.declare_file(base + extension) for extension in [".pb.h", ".pb.cc"]]
        ctx.actions.run(
            executable = ctx.file._protoc,
            arguments = ["-I" + ctx.bin_dir.path, "-I.", "--cpp_out=" + ctx.bin_dir.path, src.path],
            inputs = depset([src], transitive = [imports]),
            outputs = pair,
            mnemonic = "Protoc",
            progress_message = "protoc %s" % src.short_path,
        )
        outs += pair
    hdrs, srcs = outs[0::2], outs[1::2]
    return [OutputGroupInfo(
        hdrs = depset(hdrs),
        parts = depset(srcs),
        srcs = depset([_one_file(ctx, hdrs, srcs)]),
    )]

def _one_file(ctx, hdrs, srcs):
    """A source that includes all of `srcs`: protobuf's own headers are most of what a compiler reads there."""
    one = ctx.actions.declare_file(ctx.label.name + ".cc")
    lines = ["#include \"%s\"" % header.short_path for header in hdrs]
    lines += ["#include <google/protobuf/%s.h>" % name for name in _GENERATED_CODE_INCLUDES]
    for number, src in enumerate(srcs):
        lines += ["#define %s %s_%d" % (name, name, number) for name in _FILE_LOCAL_NAMES]
        lines.append("#include \"%s\"" % src.short_path)
        lines += ["#undef " + name for name in _FILE_LOCAL_NAMES]
    ctx.actions.write(one, "\n".join(lines) + "\n")
    return one

_ATTRS = {
    "srcs": attr.label_list(allow_files = [".proto"], mandatory = True),
    "imports": attr.label_list(allow_files = [".proto"]),
    "_protoc": attr.label(default = "@system//:bin/protoc", allow_single_file = True),
}

_protoc = rule(implementation = _protoc_impl, attrs = _ATTRS)

def _embedded_impl(ctx):
    """A .cc that registers the descriptors of the .proto files with their comments."""
    descriptors = ctx.actions.declare_file(ctx.label.name + ".pb")
    ctx.actions.run(
        executable = ctx.file._protoc,
        arguments = ["-I.", "--include_source_info", "--descriptor_set_out=" + descriptors.path] +
                    [src.path for src in ctx.files.srcs],
        inputs = ctx.files.srcs + ctx.files.imports,
        outputs = [descriptors],
        mnemonic = "Protoc",
        progress_message = "protoc (comments) %s" % ctx.label.package,
    )
    source = ctx.actions.declare_file(ctx.label.name + ".cc")
    names = ",".join(["\"%s\"" % name for name in ctx.attr.names])
    ctx.actions.run_shell(
        inputs = [descriptors],
        outputs = [source],
        command = """
{ echo '#include "pipeline/config/embedded.h"'
  echo 'namespace { const unsigned char kBytes[] = {'
  od -An -v -tx1 "$1" | sed 's/ *\\([0-9a-f][0-9a-f]\\)/0x\\1,/g'
  echo '}; const pipeline::EmbeddedFolder kFolder("%s", {%s}, kBytes, sizeof(kBytes)); }'
} > "$2" """ % (ctx.label.package, names),
        arguments = [descriptors.path, source.path],
        mnemonic = "EmbedDescriptors",
    )
    return [DefaultInfo(files = depset([source]))]

_embedded = rule(
    implementation = _embedded_impl,
    attrs = dict(_ATTRS, names = attr.string_list()),
)

def pb_library(name, srcs, imports = [], deps = [], **kwargs):
    """A cc_library of the C++ that protoc makes of `srcs`; `imports` are the .proto files they name."""
    _protoc(name = name + "_gen", srcs = srcs, imports = imports)
    native.filegroup(name = name + "_hdrs", srcs = [name + "_gen"], output_group = "hdrs")
    native.filegroup(name = name + "_parts", srcs = [name + "_gen"], output_group = "parts")
    native.filegroup(name = name + "_srcs", srcs = [name + "_gen"], output_group = "srcs")
    native.cc_library(
        name = name,
        srcs = [name + "_srcs"],
        hdrs = [name + "_hdrs"],
        textual_hdrs = [name + "_parts"],
        copts = ["-w"],
        deps = deps + ["@system//:protobuf"],
        **kwargs
    )

def embedded_comments(name, srcs, names = [], imports = []):
    """Links the comments of `srcs` into the binary, for `describe`; `names` are the plugins in them."""
    _embedded(name = name + "_source", srcs = srcs, names = names, imports = imports)
    native.cc_library(
        name = name,
        srcs = [name + "_source"],
        deps = ["//pipeline/config:embedded"],
        alwayslink = 1,
    )

def options_alone(names):
    """//<folder>:options registers the plugins' options without their code: configs that name them load."""
    folder = native.package_name()
    lines = ['#include "pipeline/registry.h"'] + ['#include "%s/%s.pb.h"' % (folder, name) for name in names]
    for name in names:
        title = "".join([word.capitalize() for word in name.split("_")])
        lines.append("const bool k%s = (pipeline::PluginIndex::Get().Add(&%s::%sOptions::descriptor), true);" %
                     (title, folder, title))
    native.genrule(
        name = "options_source",
        outs = ["options.cc"],
        cmd = "printf '%%s\\n' %s > $@" % " ".join(["'%s'" % line for line in lines]),
    )
    native.cc_library(
        name = "options",
        srcs = ["options.cc"],
        copts = ["-w"],
        alwayslink = 1,
        deps = [
            ":options_proto",
            "//pipeline:registry",
        ],
        visibility = ["//fuzz:__pkg__"],
    )

def plugins(names, deps, copts = [], shared = []):
    """The plugins of a folder: for each name, <name>.proto and <name>.cc beside this BUILD file.

    Args:
      names: the plugins; each becomes a target of its name, and all together //<folder>.
      deps: what their sources use; one list for all of them.
      copts: how their sources are compiled.
      shared: <name>.proto of each are imported by theirs.
    """
    common = [name + ".proto" for name in shared]
    imports = ["//pipeline:protos"] + common
    protos = [name + ".proto" for name in names] + common
    pb_library(
        name = "options_proto",
        srcs = protos,
        imports = imports,
        deps = ["//pipeline:options_proto"],
    )
    for name in names:
        native.cc_library(
            name = name,
            srcs = [name + ".cc"],
            copts = copts,
            deps = deps + [":options_proto", "//pipeline:registry"],
            alwayslink = 1,
            visibility = ["//visibility:public"],
        )
    embedded_comments(
        name = "comments",
        srcs = protos,
        names = names,
        imports = imports,
    )
    options_alone(names)
    native.cc_library(
        name = native.package_name(),
        deps = [":comments"] + [":" + name for name in names],
        visibility = ["//visibility:public"],
    )

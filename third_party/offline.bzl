"""Stand-ins for the rule repositories that Bazel 4.2 would download.

Bazel's embedded BUILD files load a handful of symbols from @rules_cc, @rules_java and @rules_proto.
In 4.2 each of those symbols is a built-in rule, so a repository that re-exports the built-ins is
all that is needed, and no build touches the network.
"""

_SYMBOLS = {
    "cc": [
        "cc_binary",
        "cc_import",
        "cc_library",
        "cc_proto_library",
        "cc_test",
        "cc_toolchain",
        "cc_toolchain_suite",
        "objc_library",
    ],
    "java": [
        "java_binary",
        "java_import",
        "java_library",
        "java_package_configuration",
        "java_runtime",
        "java_toolchain",
    ],
    "proto": ["proto_lang_toolchain", "proto_library"],
}

_PUBLIC = "package(default_visibility = [\"//visibility:public\"])\n"

def _builtin_rules_impl(ctx):
    language = ctx.attr.language
    ctx.file(language + "/BUILD", _PUBLIC)
    ctx.file(
        language + "/defs.bzl",
        "".join(["{0} = native.{0}\n".format(symbol) for symbol in _SYMBOLS[language]]),
    )

_builtin_rules = repository_rule(
    implementation = _builtin_rules_impl,
    attrs = {"language": attr.string(mandatory = True, values = _SYMBOLS.keys())},
    local = True,
)

def _coverage_tools_impl(ctx):
    # @bazel_tools//tools/test depends on these two whenever a test is built, coverage or not.
    ctx.symlink(ctx.path(ctx.attr._merger), "merger.py")
    ctx.file("BUILD", _PUBLIC + "".join([
        "sh_binary(name = \"%s\", srcs = [\"merger.py\"])\n" % name
        for name in ["lcov_merger", "coverage_report_generator"]
    ]))

_coverage_tools = repository_rule(
    implementation = _coverage_tools_impl,
    attrs = {"_merger": attr.label(default = "//third_party:coverage_merger.py")},
    local = True,
)

def offline_rule_repositories():
    """Declares every repository that Bazel would otherwise fetch."""
    _coverage_tools(name = "remote_coverage_tools")
    for language in _SYMBOLS:
        _builtin_rules(name = "rules_" + language, language = language)

"""@system: the distribution's C++ libraries and protoc. /usr/include needs no declaration."""

_LINKOPTS = {
    "gflags": ["-lgflags"],
    "protobuf": ["-lprotobuf", "-pthread"],
    "gtest": ["-lgtest", "-lgmock", "-pthread"],
    "gtest_main": ["-lgmock_main", "-lgmock", "-lgtest", "-pthread"],
    "dl": ["-ldl"],
    "jpeg": ["-ljpeg"],
    "json": [],  # nlohmann-json is headers only
    "mustache": [],  # headers only
    "re2": ["-lre2"],
    "xxhash": ["-lxxhash"],
    "zlib": ["-lz"],
}

_ABSEIL = ["absl_status", "absl_statusor", "absl_strings", "absl_str_format", "absl_flat_hash_map"]

# What nearly every file depends on brings the header that these begin with.
_PRECOMPILED = {
    "absl": [":plain_precompiled"],
    "gtest_main": [":plain_tests_precompiled"],
    "protobuf": [":plain_precompiled"],
}

_HEAD = """load("@//third_party:precompiled.bzl", "precompiled_header")

package(default_visibility = ["//visibility:public"])

"""

_OPENCV = """
precompiled_header(
    name = "plain_precompiled",
    src = "@//third_party:plain_precompiled.h",
    deps = [":opencv"],
)

precompiled_header(
    name = "plain_tests_precompiled",
    src = "@//third_party:plain_tests_precompiled.h",
    deps = [":opencv"],
)

cc_library(
    name = "opencv",
    hdrs = ["include/opencv2"],
    includes = ["include"],
    linkopts = ["-lopencv_imgcodecs", "-lopencv_imgproc", "-lopencv_core"],
)

# Its headers include one another by bare names.
cc_library(
    name = "nifti",
    hdrs = ["include/nifti"],
    includes = ["include/nifti"],
    linkopts = ["-lnifti2"],
)

exports_files([
    "bin/protoc",
    "onnx/onnx.proto",
])
"""

def _system_impl(ctx):
    linkopts = dict(_LINKOPTS)
    abseil = ctx.execute(["pkg-config", "--libs"] + _ABSEIL)
    if abseil.return_code != 0:
        fail("Abseil: not found; ./bazelw installs libabsl-dev: " + abseil.stderr)
    linkopts["absl"] = abseil.stdout.strip().split(" ")
    protoc = ctx.which("protoc")
    if not protoc:
        fail("protoc: not found; ./bazelw installs protobuf-compiler")
    ctx.symlink(protoc, "bin/protoc")
    if not ctx.path("/usr/include/onnx/onnx.proto").exists:
        fail("onnx.proto: not found; ./bazelw installs libonnx-dev")
    ctx.symlink("/usr/include/onnx/onnx.proto", "onnx/onnx.proto")
    ctx.symlink("/usr/include/opencv4/opencv2", "include/opencv2")
    ctx.symlink("/usr/include/nifti", "include/nifti")
    ctx.file("BUILD", _HEAD + "".join([
        "cc_library(name = %r, linkopts = %r, deps = %r)\n" % (name, opts, _PRECOMPILED.get(name, []))
        for name, opts in linkopts.items()
    ]) + _OPENCV)

system_libraries = repository_rule(
    implementation = _system_impl,
    environ = ["PATH"],
    local = True,
)

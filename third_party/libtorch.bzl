"""@libtorch//:libtorch as it is found on this machine; nothing is downloaded.

Looked for in this order:
  1. LIBTORCH_HOME=/dir       a folder with include/ and lib/ (an unpacked LibTorch, a wheel's torch/)
  2. LIBTORCH_PYTHON=python   the wheel which that interpreter imports, with LIBTORCH_FLAVOR=pip
                              (what --config=cuda sets)
  3. otherwise                the distribution's libtorch-dev
"""

_BUILD = """load("@//third_party:precompiled.bzl", "TESTS_COPTS", "precompiled_header")

package(default_visibility = ["//visibility:public"])

cc_library(
    name = "libtorch",
    deps = [
        ":libraries",
        ":libtorch_precompiled",
        ":modules_precompiled",
    ],
)

# Headers of an operator each: with the define, the others do not draw in all of them.
cc_library(
    name = "libraries",
    hdrs = glob(["narrow/**"]) + {hdrs},
    defines = ["AT_PER_OPERATOR_HEADERS"],
    includes = {includes},
    linkopts = {linkopts},
)

# What processes talk by. LibTorch's headers do not tell what it was built with.
cc_library(
    name = "c10d",
    hdrs = {c10d_hdrs},
    defines = {c10d_defines},
    includes = {c10d_hdrs},
    linkopts = {c10d_linkopts},
    deps = [":libtorch"],
)

precompiled_header(
    name = "libtorch_precompiled",
    src = "@//third_party:libtorch_precompiled.h",
    deps = [":libraries"],
)

precompiled_header(
    name = "modules_precompiled",
    src = "@//third_party:modules_precompiled.h",
    deps = [":libraries"],
)

precompiled_header(
    name = "tests_precompiled",
    src = "@//third_party:tests_precompiled.h",
    copts = TESTS_COPTS,
    deps = [":libraries"],
)

precompiled_header(
    name = "modules_tests_precompiled",
    src = "@//third_party:modules_tests_precompiled.h",
    copts = TESTS_COPTS,
    deps = [":libraries"],
)

exports_files(["gcc_flags.txt"])
"""

# A wheel also carries headers of protobuf, fmt and others; only these may be seen by our code.
_HEADER_FOLDERS = ["ATen", "c10", "caffe2", "torch"]

def _linkopts(libraries, folders):
    # Without --no-as-needed the linker drops libraries that only register themselves (CUDA);
    # push-state keeps the setting from leaking into the libraries that follow.
    opts = []
    for folder in folders:
        opts += ["-L" + folder, "-Wl,-rpath," + folder]

    # libstdc++ comes first: wheels export a std::filesystem of their own, which must not be found
    # before it (that of 2.11's libtorch.so crashes in remove_all).
    opts += ["-Wl,--push-state,--no-as-needed", "-lstdc++"]
    return opts + ["-l" + l for l in libraries] + ["-Wl,--pop-state"]

def _nccl_headers(ctx, home):
    """Folders with the headers of NCCL and CUDA beside a wheel; none where there is no NCCL."""
    nvidia = ctx.path(home).dirname.get_child("nvidia")
    if not nvidia.get_child("nccl").get_child("include").exists:
        return []
    folders = []
    for package in nvidia.readdir():
        if package.get_child("include").exists:
            folders.append("nvidia_" + package.basename)
            ctx.symlink(package.get_child("include"), folders[-1])
    return folders

def _from_folder(ctx, home):
    if not ctx.path(home + "/include").exists or not ctx.path(home + "/lib").exists:
        fail("LibTorch: %s has no include/ and lib/" % home)
    hdrs = []
    for folder in _HEADER_FOLDERS:
        if ctx.path(home + "/include/" + folder).exists:
            ctx.symlink(home + "/include/" + folder, "include/" + folder)
            hdrs.append("include/" + folder)
    libraries = ["torch", "torch_cpu", "c10"]
    nccl = []
    if ctx.path(home + "/lib/libtorch_cuda.so").exists:
        libraries += ["torch_cuda", "c10_cuda"]
        nccl = _nccl_headers(ctx, home)
    return struct(
        hdrs = hdrs,
        includes = ["include", "include/torch/csrc/api/include"],
        system_includes = [home + "/include", home + "/include/torch/csrc/api/include"],
        linkopts = _linkopts(libraries, [home + "/lib"]),
        c10d_hdrs = nccl,
        c10d_defines = ["USE_C10D_GLOO"] + (["USE_C10D_NCCL"] if nccl else []),
        c10d_linkopts = [],  # Gloo is inside
    )

def _from_wheel(ctx):
    python = ctx.os.environ.get("LIBTORCH_PYTHON", "")
    if not python:
        fail("LibTorch: --config=cuda needs LIBTORCH_PYTHON, an interpreter that imports the torch wheel")
    probe = "import torch, os; print(os.path.dirname(torch.__file__))"
    result = ctx.execute([python, "-I", "-c", probe])
    home = result.stdout.strip()
    if result.return_code != 0 or not home:
        fail("LibTorch: %s cannot import torch: %s" % (python, result.stderr))

    # Debian's python3-torch has no libraries of its own beside it, so it is no wheel.
    if not ctx.path(home + "/lib").exists or home.startswith("/usr/lib/python3/dist-packages"):
        fail("LibTorch: %s imports torch from %s, which is not a PyPI wheel" % (python, home))
    return _from_folder(ctx, home)

def _from_distribution(ctx):
    api = "/usr/include/torch/csrc/api/include/torch"
    if not ctx.path(api + "/torch.h").exists:
        fail("LibTorch: not found; ./bazelw installs libtorch-dev, or set LIBTORCH_HOME")

    # /usr/include is searched anyhow; only <torch/...> of the C++ API lies deeper.
    ctx.symlink(api, "include/torch")
    return struct(
        hdrs = ["include/torch"],
        includes = ["include"],
        system_includes = ["/usr/include/torch/csrc/api/include"],
        linkopts = _linkopts(["torch", "torch_cpu", "c10"], []),
        c10d_hdrs = [],
        c10d_defines = ["USE_C10D_GLOO"],
        c10d_linkopts = ["-lgloo"],
    )

def _libtorch_impl(ctx):
    environ = ctx.os.environ
    if environ.get("LIBTORCH_HOME", ""):
        found = _from_folder(ctx, environ["LIBTORCH_HOME"])
    elif environ.get("LIBTORCH_FLAVOR", "") == "pip":
        found = _from_wheel(ctx)
    else:
        found = _from_distribution(ctx)

    # Before LibTorch's own: a few headers of it are narrower for us.
    ctx.symlink(ctx.path(Label("//third_party:libtorch_narrow/libtorch_context.h")).dirname, "narrow")
    ctx.file("BUILD", _BUILD.format(
        hdrs = repr(found.hdrs),
        includes = repr(["narrow"] + found.includes),
        linkopts = repr(found.linkopts),
        c10d_hdrs = repr(found.c10d_hdrs),
        c10d_defines = repr(found.c10d_defines),
        c10d_linkopts = repr(found.c10d_linkopts),
    ))

    # How to compile against it without Bazel.
    ctx.file("gcc_flags.txt", " ".join(["-isystem " + folder for folder in found.system_includes]))

libtorch_repository = repository_rule(
    implementation = _libtorch_impl,
    environ = ["LIBTORCH_FLAVOR", "LIBTORCH_HOME", "LIBTORCH_PYTHON", "PATH"],
    local = True,
)

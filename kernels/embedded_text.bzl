"""embedded_text: a file as a C++ string literal, in NAME.inc."""

def embedded_text(name, src):
    native.genrule(
        name = name,
        srcs = [src],
        outs = [name + ".inc"],
        cmd = "{ echo 'R\"TEXT('; cat $<; echo ')TEXT\"'; } > $@",
    )

"""Writes fuzz/corpus/: small files of every kind that the fuzzers begin with.

  python3 -m venv V && V/bin/pip install pillow numpy nibabel xxhash && V/bin/python fuzz/make_corpus.py
"""
import io
import json
import os
import struct

import nibabel
import numpy as np
import xxhash
from PIL import Image

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "corpus")
RANDOM = np.random.default_rng(0)


def put(target, name, content):
    os.makedirs(os.path.join(HERE, target), exist_ok=True)
    with open(os.path.join(HERE, target, name), "wb") as file:
        file.write(content if isinstance(content, bytes) else content.encode())


def encoded(image, kind, **options):
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def smooth(mode, size=(13, 9)):
    noise = Image.fromarray(RANDOM.integers(0, 256, (3, 4, 3), dtype=np.uint8))
    return noise.resize(size, Image.BILINEAR).convert(mode)


def images():
    exif = Image.Exif()
    exif[0x112] = 6
    color, gray = smooth("RGB"), smooth("L")
    deep = Image.fromarray(RANDOM.integers(0, 65536, (9, 13), dtype=np.uint16))
    for name, content in {
        "color.jpg": encoded(color, "JPEG"),
        "gray.jpg": encoded(gray, "JPEG"),
        "progressive.jpg": encoded(color, "JPEG", progressive=True),
        "turned.jpg": encoded(color, "JPEG", exif=exif),
        "cmyk.jpg": encoded(color.convert("CMYK"), "JPEG"),
        "large.jpg": encoded(smooth("RGB", (72, 56)), "JPEG", quality=30),
        "color.png": encoded(color, "PNG"),
        "palette.png": encoded(color.quantize(7), "PNG"),
        "alpha.png": encoded(smooth("RGBA"), "PNG"),
        "bits.png": encoded(gray.convert("1"), "PNG"),
        "deep.png": encoded(deep, "PNG"),
        "turned.png": encoded(color, "PNG", exif=exif),
        "plain.tif": encoded(color, "TIFF"),
        "lzw.tif": encoded(gray, "TIFF", compression="tiff_lzw"),
        "deflate.tif": encoded(color, "TIFF", compression="tiff_adobe_deflate"),
        "jpeg.tif": encoded(color, "TIFF", compression="jpeg"),
        "fax.tif": encoded(gray.convert("1"), "TIFF", compression="group4"),
        "deep.tif": encoded(deep, "TIFF"),
        "pages.tif": encoded(gray, "TIFF", save_all=True, append_images=[color]),
        "lossy.webp": encoded(color, "WEBP", quality=20),
        "lossless.webp": encoded(color, "WEBP", lossless=True),
        "alpha.webp": encoded(smooth("RGBA"), "WEBP", exif=exif),
        "color.bmp": encoded(color, "BMP"),
        "palette.bmp": encoded(color.quantize(7), "BMP"),
        "color.jp2": encoded(color, "JPEG2000"),
        "stream.j2k": encoded(gray, "JPEG2000", no_jp2=True),
        "color.ppm": encoded(color, "PPM"),
        "gray.pgm": encoded(gray, "PPM"),
        "bits.pbm": encoded(gray.convert("1"), "PPM"),
        "text.pgm": b"P2\n# a comment\n3 2 255\n0 1 2\n253 254 255\n",
        "animation.gif": encoded(color, "GIF"),
    }.items():
        put("images", name, content)


def masks():
    colors = np.array([(0, 0, 0), (255, 255, 0), (0, 0, 255), (255, 255, 255)], np.uint8)
    classes = RANDOM.integers(0, 3, (9, 12), dtype=np.uint8)
    thing = (classes == 1).astype(np.uint8)
    alpha = np.dstack([colors[classes], np.where(classes == 2, 0, 255).astype(np.uint8)])
    ignored = thing.copy()
    ignored[0, 0] = 255
    for name, content in {
        "colors.png": encoded(Image.fromarray(colors[classes]), "PNG"),
        "colors.jpg": encoded(Image.fromarray(colors[classes]).resize((36, 27), Image.NEAREST), "JPEG"),
        "colors.tif": encoded(Image.fromarray(colors[classes]), "TIFF"),
        "indices.png": encoded(Image.fromarray(classes), "PNG"),
        "palette.png": encoded(Image.fromarray(colors[classes]).quantize(4), "PNG"),
        "alpha.png": encoded(Image.fromarray(alpha), "PNG"),
        "deep.png": encoded(Image.fromarray(thing.astype(np.uint16) * 65535), "PNG"),
        "black_white.png": encoded(Image.fromarray(thing * 255), "PNG"),
        "black_white.jpg": encoded(Image.fromarray(thing * 255), "JPEG"),
        "bits.png": encoded(Image.fromarray(thing * 255).convert("1"), "PNG"),
        "zero_one.pgm": encoded(Image.fromarray(thing), "PPM"),
        "ignored.bmp": encoded(Image.fromarray(ignored), "BMP"),
        "lossless.webp": encoded(Image.fromarray(colors[classes]), "WEBP", lossless=True),
    }.items():
        put("masks", name, content)


def nifti():
    affine = np.diag([-1.0, 2.0, 3.0, 1.0])
    turned = np.array([[0, 0, 1.0, 4], [-1.0, 0, 0, 5], [0, 1.0, 0, 6], [0, 0, 0, 1]])
    labels = RANDOM.integers(0, 4, (4, 3, 2))

    def saved(kind, values, matrix=affine, gz=False, slope=None):
        image = kind(values, matrix)
        if slope:
            image.header.set_slope_inter(*slope)
        content = image.to_bytes()
        if gz:
            import gzip
            return gzip.compress(content, mtime=0)
        return content

    one, two = nibabel.Nifti1Image, nibabel.Nifti2Image
    big = nibabel.Nifti1Image(labels.astype(">i2"), affine, header=nibabel.Nifti1Header(endianness=">"))
    for name, content in {
        "bytes.nii": saved(one, labels.astype(np.uint8)),
        "turned.nii": saved(one, labels.astype(np.int16), turned),
        "float.nii": saved(one, labels.astype(np.float32) * 0.25),
        "double.nii": saved(one, labels.astype(np.float64), slope=(2.0, -1.0)),
        "nowhere.nii": saved(one, labels.astype(np.uint8), None),
        "big.nii": big.to_bytes(),
        "two.nii": saved(two, labels.astype(np.int32)),
        "packed.nii.gz": saved(one, labels.astype(np.uint16), gz=True),
        "four.nii": saved(one, np.zeros((2, 2, 2, 1), np.int8)),
    }.items():
        put("nifti", name, content)


TYPES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1}


def safetensors_file(tensors, metadata=None, checksums=False):
    """`tensors`: name, type, shape, bytes. With `checksums` as pipeline/runs/safetensors.h writes them."""
    metadata = dict(metadata or {})
    header, data = {}, b""
    for name, kind, shape, content in tensors:
        assert len(content) == TYPES[kind] * int(np.prod(shape))
        header[name] = {"dtype": kind, "shape": shape, "data_offsets": [len(data), len(data) + len(content)]}
        data += content
        if checksums:
            metadata["xxh3_64 " + name] = xxhash.xxh3_64_hexdigest(content)
    if checksums:
        metadata["xxh3_128"] = "0" * 32
    if metadata:
        header = {"__metadata__": dict(sorted(metadata.items())), **header}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    if checksums:
        mark = b'"xxh3_128":"'
        text = text.replace(mark + b"0" * 32, mark + xxhash.xxh3_128_hexdigest(text).encode())
    return struct.pack("<Q", len(text)) + text + data


def safetensors():
    weights = [("classify.weight", "F32", [2, 3], bytes(range(24))), ("classify.bias", "F32", [2], bytes(8))]
    kinds = [(kind, kind, [1, 2], bytes(2 * size)) for kind, size in TYPES.items()]
    state = [
        ("loop.counters", "F64", [3], struct.pack("<3d", 1, 2, 3)),
        ("loop.stopped", "U8", [4], b"text"),
        ("graph/classify.weight", "F32", [2], struct.pack("<2f", 0.5, -1)),
    ]
    checkpoint = {"format": "lossfusion.checkpoint", "version": "1"}
    for name, content in {
        "weights.safetensors": safetensors_file(weights),
        "torch.safetensors": safetensors_file(weights, {"format": "pt"}),
        "kinds.safetensors": safetensors_file(kinds),
        "empty.safetensors": safetensors_file([]),
        "scalar.safetensors": safetensors_file([("s", "I64", [], bytes(8)), ("none", "F32", [0, 7], b"")]),
        "checkpoint.safetensors": safetensors_file(state, checkpoint, checksums=True),
    }.items():
        put("safetensors", name, content)


def cache():
    mark = struct.pack("<Q", 0x314843414D49464C)

    def entry(name, has_mask):
        key = xxhash.xxh3_128_intdigest(name.encode())
        image, mask = bytes(range(48)), bytes(16) if has_mask else b""
        pixels = xxhash.xxh3_64_intdigest(mask, seed=xxhash.xxh3_64_intdigest(image))
        header = struct.pack("<QQQqIIIIQ", 0x5952544E4547494D, key & (2**64 - 1), key >> 64, 1, 4, 4, 3, has_mask,
                             pixels)
        return header + struct.pack("<Q", xxhash.xxh3_64_intdigest(header)) + image + mask

    put("cache", "empty", mark)
    put("cache", "one", mark + entry("a", 0))
    put("cache", "two", mark + entry("a", 0) + entry("b", 1))
    put("cache", "again", mark + entry("a", 0) + entry("a", 1))
    put("cache", "torn", mark + entry("a", 1) + entry("b", 1)[:70])


def split():
    begin = "# lossfusion split 1: the split of each file\n"
    line = "TRAIN,a/1.png,99aa06d3014798d86001c324468d497f\n"
    put("split", "plain.csv", begin + "split,path,xxh3_128\n" + line + "VAL,a/2.png,unreadable\nTEST,b/3.png,0\n")
    put("split", "quoted.csv", begin + 'split,path,xxh3_128\nTRAIN,"a,""b""\nc.png",0\nVAL,\\xff.png,1\n')
    put("split", "windows.csv", b"\xef\xbb\xbf" + (begin + "split,path,xxh3_128\n" + line).replace("\n", "\r\n").encode())
    put("split", "none.csv", begin + "split,path,xxh3_128\n")
    put("split", "mask.csv", begin + "split,path,xxh3_128\n" + line + "TRAIN,m.png,unreadable\n")


def run_facts():
    facts = {
        "format": 1, "config": "small", "dataset": "synthetic", "data": "drawn", "embedded_sample": False,
        "task": "multiclass", "classes": ["a", "b"], "channels": 3, "split": "by seed", "images": [4, 2, 2],
        "class_counts": [[2, 2], [1, 1], [1, 1]],
        "inputs": {"images": {"type": "uint8", "shape": [-1, 3, 8, 8]}, "labels": {"type": "int64", "shape": [-1]}},
    }
    put("run_facts", "classes.json", json.dumps(facts, indent=2))
    facts.update(task="segmentation", classes=["x\u00e9", "\\\"", ""])
    facts["inputs"]["labels"]["shape"] = [-1, 8, 8]
    put("run_facts", "masks.json", json.dumps(facts))
    put("run_facts", "other.json", '{"format": 2, "images": [1e400, -0.0, null, true]}')


def config():
    small = """node {
  name: "load"
  plugin { [plugins/Loader] {
    batch_size: 8 image_size: 32
    dataset { [datasets/Synthetic] { images_per_class: 6 test_images_per_class: 3 } }
  } }
}
node { name: "gray" input: "load.images" plugin { [plugins/Grayscale] {} } }
node { name: "normalize" input: "gray" phase: TRAIN plugin { [plugins/Normalize] { mean: [0.5] std: 0.25 } } }
node {
  name: "classify" input: "normalize"
  plugin { [plugins/Model] { model { [models/Vgg16] { head: GAP width: 0.07 } }
    activation { [activations/Lerch] { s: 5e-1 } } freeze: ["features", 'classifier.0'] } }
}
node {
  name: "loss" input: "logits: classify" input: "labels: load.labels"
  plugin { [plugins/FusedLoss] {
    term { [losses/Sum] { term { [losses/Focal] { alpha: [1, 2] } } loss_weights: 2 } }
    term { [losses/Tversky] {} }
    loss_weights: [1, 2]
  } }
}
train { epochs: 2 learning_rate: 1e-3 threads: 1 precision: FP32 device: "CPU" }
"""
    part = 'train { seed: 3 optimizer: SGD }\nnode { name: "loss" plugin { [losses/Nothing] {} } }'
    put("config", "small", small)
    put("config", "part", "\n----\n".join(['include: "part.pbtxt"\n' + small, part, "train.epochs=5",
                                           "loss.term[0].loss_weights=[3]"]))
    put("config", "sets", "\n----\n".join([small, "", "load.image_size=64", "loss.term[1]=[losses/Mse] {}",
                                           "classify.activation=[activations/Jacobi] { m: 1 }",
                                           "loss=[plugins/FusedLoss] { term { [losses/Dice] {} } }",
                                           "train.device=CUDA:0", "load.datset.x=1", "classify.weights=w"]))
    put("config", "sample", 'node { name: "load" plugin { [plugins/Loader] { dataset { [datasets/BrainTumor] {} } } } }\n'
        'sample_overrides { node { name: "load" plugin { [plugins/Loader] { image_size: 48 } } } train { epochs: 1 } }\n')
    put("config", "loop", 'include: ["config.pbtxt", "part.pbtxt", "none"]\n----\ninclude: "config.pbtxt"')
    put("config", "wrong", "nod { }\ntrain { epochs: -1 sede: 2 optimizer: ADMA learning_rate: nan }\n"
        'node { name: "a" plugin { [losses/Focal] { gama: inf } } }\nnode { name: "a" plugin { } }\n}')


for make in [images, masks, nifti, safetensors, cache, split, run_facts, config]:
    make()

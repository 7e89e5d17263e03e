#!/usr/bin/env python3
"""What a researcher would write to predict a folder of JPEG files: torchvision's VGG16 behind a DataLoader.

  predict_torch.py FOLDER [--batch 32] [--size 224] [--head FC4096|GAP] [--bf16] [--cuda]

Prints {"images_per_second": ...}: from the first file to the last answer, after one warm batch.
"""
import argparse
import json
import os
import pathlib
import time

import torch
import torchvision
from PIL import Image
from torchvision import transforms


class Files(torch.utils.data.Dataset):
    def __init__(self, folder, size):
        self.files = sorted(pathlib.Path(folder).glob("*.jpg"))
        self.transform = transforms.Compose(
            [transforms.Grayscale(), transforms.Resize((size, size)), transforms.ToTensor()])

    def __len__(self):
        return len(self.files)

    def __getitem__(self, i):
        return self.transform(Image.open(self.files[i]))


def make_model(head):
    model = torchvision.models.vgg16(weights=None, num_classes=4)
    model.features[0] = torch.nn.Conv2d(1, 64, 3, padding=1)
    if head == "GAP":
        model.avgpool = torch.nn.AdaptiveAvgPool2d(1)
        model.classifier = torch.nn.Linear(512, 4)
    return model.eval().to(memory_format=torch.channels_last)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--head", default="FC4096")
    parser.add_argument("--bf16", action="store_true")
    parser.add_argument("--cuda", action="store_true")
    arguments = parser.parse_args()
    device = "cuda" if arguments.cuda else "cpu"
    model = make_model(arguments.head).to(device)
    data = Files(arguments.folder, arguments.size)
    loader = torch.utils.data.DataLoader(data, batch_size=arguments.batch, num_workers=os.cpu_count(),
                                         pin_memory=arguments.cuda)

    def answer(images):
        images = images.to(device, non_blocking=True).to(memory_format=torch.channels_last)
        with torch.autocast(device, dtype=torch.bfloat16, enabled=arguments.bf16):
            return model(images).float().softmax(1).cpu()

    with torch.inference_mode():
        answer(torch.zeros(arguments.batch, 1, arguments.size, arguments.size))
        begin, count = time.perf_counter(), 0
        for images in loader:
            count += len(answer(images))
        seconds = time.perf_counter() - begin
    print(json.dumps({"images_per_second": count / seconds}))


if __name__ == "__main__":
    main()

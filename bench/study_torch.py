#!/usr/bin/env python3
"""What a researcher would run for one cell of a study: a small CNN on a folder of class folders, a sum of losses.

  study_torch.py DATA --loss focal+mse [--size 64] [--epochs 5] [--batch 32] [--seed 0] [--bf16]

DATA holds Training/ and Testing/. A share of 0.15 of Training/ is kept for validation after each epoch; the test
comes once. Prints {"seconds": ..., "compute": ..., "accuracy": ...}: of the whole process since its start, and of it
forward, backward and optimizer.
"""
import argparse
import json
import os
import time

import torch
import torch.nn as nn
import torch.nn.functional as F
from torchvision import datasets, transforms


def cnn(classes):
    layers, channels = [], 1
    for out in [32, 64, 128]:
        layers += [nn.Conv2d(channels, out, 3, padding=1), nn.ReLU(inplace=True), nn.MaxPool2d(2)]
        channels = out
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 128),
                         nn.ReLU(inplace=True), nn.Dropout(0.5), nn.Linear(128, classes))


def overlap(p, t, alpha, beta):
    both = (p * t).sum(0)
    return both, both + alpha * (p * (1 - t)).sum(0) + beta * ((1 - p) * t).sum(0)


def ratio(p, t, alpha, beta):
    both, all_ = overlap(p, t, alpha, beta)
    return 1 - ((both + 1) / (all_ + 1)).mean()


LOSSES = {
    "categorical_cross_entropy": lambda z, p, t: F.cross_entropy(z, t.argmax(1)),
    "binary_cross_entropy": lambda z, p, t: F.binary_cross_entropy(p, t),
    "mse": lambda z, p, t: F.mse_loss(p, t),
    "smooth_l1": lambda z, p, t: F.smooth_l1_loss(p, t),
    "focal": lambda z, p, t: ((1 - p) ** 2 * -p.clamp_min(1e-7).log() * t).sum(1).mean(),
    "dice": lambda z, p, t: ratio(p, t, 0.5, 0.5),
    "tversky": lambda z, p, t: ratio(p, t, 0.3, 0.7),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data")
    parser.add_argument("--loss", required=True)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--bf16", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(arguments.seed)
    size = arguments.size
    plain = transforms.Compose([transforms.Resize((size, size)), transforms.Grayscale(), transforms.ToTensor()])
    varied = transforms.Compose([
        transforms.Resize((size, size)), transforms.Grayscale(), transforms.RandomResizedCrop(size, scale=(0.8, 1)),
        transforms.RandomHorizontalFlip(), transforms.RandomRotation(15), transforms.ColorJitter(0.2, 0.2),
        transforms.ToTensor()])
    training = os.path.join(arguments.data, "Training")
    train, held = datasets.ImageFolder(training, varied), datasets.ImageFolder(training, plain)
    test = datasets.ImageFolder(os.path.join(arguments.data, "Testing"), plain)
    order = torch.randperm(len(train)).tolist()
    cut = int(0.15 * len(train))
    loader = torch.utils.data.DataLoader
    parts = [loader(torch.utils.data.Subset(train, order[cut:]), arguments.batch, shuffle=True),
             loader(torch.utils.data.Subset(held, order[:cut]), arguments.batch), loader(test, arguments.batch)]
    classes = len(train.classes)
    model = cnn(classes).to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    terms = [LOSSES[name] for name in arguments.loss.split("+")]
    compute = 0.0

    def logits(images):
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=arguments.bf16):
            return model(images.to(memory_format=torch.channels_last)).float()

    def accuracy(part):
        model.eval()
        with torch.inference_mode():
            right = sum((logits(x).argmax(1) == y).sum().item() for x, y in part)
        return right / len(part.dataset)

    for _ in range(arguments.epochs):
        model.train()
        for images, labels in parts[0]:
            begin = time.perf_counter()
            z = logits(images)
            t = F.one_hot(labels, classes).float()
            loss = sum(term(z, z.softmax(1), t) for term in terms)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            compute += time.perf_counter() - begin
        accuracy(parts[1])
    result = accuracy(parts[2])
    started = float(open("/proc/self/stat").read().split(")")[1].split()[19]) / os.sysconf("SC_CLK_TCK")
    seconds = float(open("/proc/uptime").read().split()[0]) - started
    print(json.dumps({"seconds": seconds, "compute": compute, "accuracy": result}))


if __name__ == "__main__":
    main()

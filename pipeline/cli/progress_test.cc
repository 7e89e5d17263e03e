// What the live line shows at which width.
#include "pipeline/cli/progress.h"

#include <gtest/gtest.h>

#include "pipeline/utf8.h"

namespace pipeline {
namespace {

Progress Middle() {
  Progress progress;
  progress.epoch = 3;
  progress.epochs = 20;
  progress.step = 12;
  progress.steps = 40;
  progress.images_per_second = 45.13;
  progress.data_wait = 0.012;
  progress.seconds_left = 123;
  progress.terms = {
      {"loss", 1.23456}, {"smooth_l1", 0.12345}, {"categorical_cross_entropy", 1.11111}};
  return progress;
}

TEST(ProgressLineTest, WhatMattersMostFitsFirst) {
  EXPECT_EQ(ProgressLine(Middle(), 40), "epoch 3/20 TRAIN 12/40  loss 1.2346");
  EXPECT_EQ(ProgressLine(Middle(), 80),
            "epoch 3/20 TRAIN 12/40  loss 1.2346  smooth_l1 0.1235  eta 2:03");
  EXPECT_EQ(ProgressLine(Middle(), 120),
            "epoch 3/20 TRAIN 12/40  loss 1.2346  smooth_l1 0.1235  "
            "categorical_cross_entropy 1.1111  eta 2:03  45.1 images/s");
  EXPECT_EQ(ProgressLine(Middle(), 200),
            "epoch 3/20 TRAIN 12/40  loss 1.2346  smooth_l1 0.1235  "
            "categorical_cross_entropy 1.1111  eta 2:03  45.1 images/s  [======>             ]  "
            "data wait 1.2 %");
}

TEST(ProgressLineTest, EveryWidthIsKept) {
  Progress progress = Middle();
  progress.terms.emplace_back("\xE6\x90\x8D\xE5\xA4\xB1", 0.5);
  progress.phase = VAL;
  for (size_t width = 0; width < 200; ++width) {
    const std::string line = ProgressLine(progress, width);
    EXPECT_LE(CharactersIn(line), width);
    EXPECT_EQ(ValidUtf8(line), line) << "cut within a character";
  }
  EXPECT_EQ(ProgressLine(progress, 8), "epoch 3/");
}

TEST(ProgressLineTest, ATermCannotMoveTheCursor) {
  Progress progress = Middle();
  progress.terms = {{"a\x1B[2J\n", 1}};
  EXPECT_EQ(ProgressLine(progress, 60), "epoch 3/20 TRAIN 12/40  a\\x1B[2J\\x0A 1.0000  eta 2:03");
}

}  // namespace
}  // namespace pipeline

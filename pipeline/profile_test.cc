// Sums by phase and part, and a trace that Chrome's viewer would open.
#include "pipeline/profile.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "pipeline/clock.h"

namespace pipeline {
namespace {

TEST(Profile, AddsUpByPhaseAndPart) {
  Profile profile;
  const double now = Now();
  profile.Add(TRAIN, "load", now - 2);
  profile.Add(TRAIN, "backward", now - 1);
  profile.Add(VAL, "load", now - 8);
  profile.Add(TRAIN, "load", now - 4);
  const auto train = profile.Seconds(TRAIN);
  ASSERT_EQ(train.size(), 2);
  EXPECT_EQ(train[0].first, "load");
  // Seconds go by while this runs, on a busy machine too.
  EXPECT_GE(train[0].second, 6);
  EXPECT_LT(train[0].second, 7);
  EXPECT_EQ(train[1].first, "backward");
  EXPECT_EQ(profile.Seconds(TEST).size(), 0);
}

TEST(Profile, TracesWhatCameAfterItWasAskedTo) {
  Profile profile;
  profile.Add(TRAIN, "before", Now());
  profile.Trace();
  const double begin = Now() - 0.5;
  profile.Add(TRAIN, "a \"b\" \xFF", begin);
  profile.Add(VAL, "c", begin + 0.25);
  const auto trace = nlohmann::json::parse(profile.TraceText());
  ASSERT_EQ(trace["traceEvents"].size(), 2);
  const auto& first = trace["traceEvents"][0];
  EXPECT_EQ(first["name"], "a \"b\" \\xFF");
  EXPECT_EQ(first["cat"], "TRAIN");
  EXPECT_EQ(first["ph"], "X");
  EXPECT_EQ(first["ts"], 0);
  EXPECT_GE(first["dur"], 5e5);
  EXPECT_NEAR(trace["traceEvents"][1]["ts"].get<double>(), 2.5e5, 1);  // microseconds
}

}  // namespace
}  // namespace pipeline

// What launchers say, as they said it on Debian 12.
#include "pipeline/parallel/environment.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

namespace pipeline {
namespace {

using testing::HasSubstr;

Lookup In(const std::map<std::string, std::string>& variables) {
  return [variables](const std::string& name) -> std::optional<std::string> {
    const auto found = variables.find(name);
    if (found == variables.end()) return std::nullopt;
    return found->second;
  };
}

absl::StatusOr<std::optional<Seat>> SeatIn(const std::map<std::string, std::string>& variables) {
  return FindSeat(In(variables));
}

TEST(EnvironmentTest, NothingIsAlone) {
  const auto seat = SeatIn({});
  ASSERT_TRUE(seat.ok());
  EXPECT_FALSE(seat->has_value());
}

TEST(EnvironmentTest, OneProcessIsAlone) {
  const auto seat = SeatIn({{"RANK", "0"}, {"WORLD_SIZE", "1"}});
  ASSERT_TRUE(seat.ok());
  EXPECT_FALSE(seat->has_value());
}

TEST(EnvironmentTest, Torchrun) {
  const auto seat = SeatIn({{"RANK", "3"},
                            {"WORLD_SIZE", "4"},
                            {"LOCAL_RANK", "1"},
                            {"LOCAL_WORLD_SIZE", "2"},
                            {"MASTER_ADDR", "n1"},
                            {"MASTER_PORT", "29500"},
                            {"TORCHELASTIC_RUN_ID", "none"},
                            {"TORCHELASTIC_USE_AGENT_STORE", "True"},
                            {"TORCHELASTIC_RESTART_COUNT", "2"}});
  ASSERT_TRUE(seat.ok()) << seat.status();
  const Seat& s = **seat;
  EXPECT_EQ(s.launcher, "torchrun");
  EXPECT_EQ(s.rank, 3);
  EXPECT_EQ(s.size, 4);
  EXPECT_EQ(s.local_rank, 1);
  EXPECT_EQ(s.local_size, 2);
  EXPECT_EQ(s.address, "n1");
  EXPECT_EQ(s.port, 29500);
  EXPECT_TRUE(s.store_is_there);
  EXPECT_EQ(s.attempt, "2");
}

TEST(EnvironmentTest, MpirunOnOneHostNeedsNoAddress) {
  const auto seat = SeatIn({{"OMPI_COMM_WORLD_RANK", "1"},
                            {"OMPI_COMM_WORLD_SIZE", "2"},
                            {"OMPI_COMM_WORLD_LOCAL_RANK", "1"},
                            {"OMPI_COMM_WORLD_LOCAL_SIZE", "2"},
                            {"PMIX_NAMESPACE", "1263927297"}});
  ASSERT_TRUE(seat.ok()) << seat.status();
  EXPECT_EQ((*seat)->launcher, "mpirun");
  EXPECT_EQ((*seat)->address, "127.0.0.1");
  EXPECT_GE((*seat)->port, 20000);
  EXPECT_FALSE((*seat)->store_is_there);
}

TEST(EnvironmentTest, MpirunOnTwoHostsAsksForTheAddress) {
  std::map<std::string, std::string> variables = {{"OMPI_COMM_WORLD_RANK", "1"},
                                                  {"OMPI_COMM_WORLD_SIZE", "4"},
                                                  {"OMPI_COMM_WORLD_LOCAL_RANK", "1"},
                                                  {"OMPI_COMM_WORLD_LOCAL_SIZE", "2"}};
  EXPECT_THAT(SeatIn(variables).status().ToString(), HasSubstr("-x MASTER_ADDR=HOST"));
  variables["MASTER_ADDR"] = "10.0.0.1";
  const auto seat = SeatIn(variables);
  ASSERT_TRUE(seat.ok()) << seat.status();
  EXPECT_EQ((*seat)->address, "10.0.0.1");
}

TEST(EnvironmentTest, SrunNamesTheFirstHost) {
  const auto seat = SeatIn({{"SLURM_PROCID", "2"},
                            {"SLURM_STEP_NUM_TASKS", "4"},
                            {"SLURM_LOCALID", "0"},
                            {"SLURM_STEP_NUM_NODES", "2"},
                            {"SLURM_STEP_NODELIST", "gpu[007-008]"},
                            {"SLURM_JOB_ID", "12"},
                            {"SLURM_STEP_ID", "0"}});
  ASSERT_TRUE(seat.ok()) << seat.status();
  EXPECT_EQ((*seat)->launcher, "srun");
  EXPECT_EQ((*seat)->rank, 2);
  EXPECT_EQ((*seat)->size, 4);
  EXPECT_EQ((*seat)->local_size, 2);
  EXPECT_EQ((*seat)->address, "gpu007");
}

TEST(EnvironmentTest, ABatchScriptOfSlurmIsNoStep) {
  const std::map<std::string, std::string> script = {
      {"SLURM_PROCID", "0"}, {"SLURM_NTASKS", "4"}, {"SLURM_JOB_ID", "12"}};
  const auto seat = SeatIn(script);
  ASSERT_TRUE(seat.ok());
  EXPECT_FALSE(seat->has_value());
  EXPECT_EQ(NoteOfIdleTasks(In(script)),
            "Slurm has 4 tasks for this job, and one of them trains; started by srun all do");
}

TEST(EnvironmentTest, NoTaskIsIdleWhereThereIsOneOrAStep) {
  EXPECT_EQ(NoteOfIdleTasks(In({})), "");
  EXPECT_EQ(NoteOfIdleTasks(In({{"SLURM_NTASKS", "1"}})), "");
  EXPECT_EQ(NoteOfIdleTasks(In({{"SLURM_NTASKS", "4"}, {"SLURM_STEP_NUM_TASKS", "1"}})), "");
}

TEST(EnvironmentTest, FirstHosts) {
  EXPECT_EQ(FirstHost("n1"), "n1");
  EXPECT_EQ(FirstHost("n1,n2"), "n1");
  EXPECT_EQ(FirstHost("gpu[007-010,20],login"), "gpu007");
  EXPECT_EQ(FirstHost("login,gpu[1-2]"), "login");
  EXPECT_EQ(FirstHost("gpu[3,5]"), "gpu3");
}

TEST(EnvironmentTest, MistakesNameTheVariable) {
  EXPECT_THAT(
      SeatIn({{"WORLD_SIZE", "2"}, {"MASTER_ADDR", "a"}, {"MASTER_PORT", "1"}}).status().ToString(),
      HasSubstr("RANK is not set"));
  EXPECT_THAT(SeatIn({{"WORLD_SIZE", "2"}, {"RANK", "2"}}).status().ToString(),
              HasSubstr("RANK=2: a number from 0 to 1"));
  EXPECT_THAT(
      SeatIn({{"WORLD_SIZE", "2"}, {"RANK", "0"}, {"MASTER_ADDR", "a"}}).status().ToString(),
      HasSubstr("MASTER_PORT is not set"));
}

}  // namespace
}  // namespace pipeline

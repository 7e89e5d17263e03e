// run.json.
#include "pipeline/runs/run_facts.h"

#include "fuzz/target.h"

namespace fuzz {
namespace {

void Run(absl::string_view bytes) {
  const auto facts = pipeline::ParseFacts(std::string(bytes));
  if (!facts.ok()) return Require(!facts.status().message().empty(), "an error has a reason");
  const std::string text = pipeline::FactsText(*facts);
  const auto again = pipeline::ParseFacts(text);
  Require(again.ok() && pipeline::FactsText(*again) == text, "what was written is read");
}

const Target kTarget("run_facts", Run);

}  // namespace
}  // namespace fuzz

// What a fused loss gathers over a phase for its report, by term.
#ifndef PLUGINS_LOSS_SUMS_H_
#define PLUGINS_LOSS_SUMS_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "pipeline/report.h"
#include "pipeline/state.h"

namespace plugins {

// Steps are read when their numbers are asked for, or many at a time: a GPU is not waited for at
// each.
class LossSums {
 public:
  // How a term was weighed at a step: beside its fixed weight by a factor and by itself, and each
  // of its parts within it.
  struct Weighing {
    double factor = 1, own = 1;
    std::vector<double> parts;
  };

  // A term with its fixed weight, before any step.
  void AddTerm(const std::string& name, double weight, size_t parts);

  // A step: losses::FusedValue::account of the parts of all terms, in order.
  void Add(const std::vector<Weighing>& weighings, const at::Tensor& account);
  // For the step just added: the norm of each term's gradient, float64 [terms].
  void AddNorms(const at::Tensor& norms);
  // Each term's value at the step just added, with its weight but not its factor: float64 [terms],
  // where the account is.
  at::Tensor Values() const;

  // Of the last step.
  std::vector<std::pair<std::string, double>> Live() const;
  // `gradients`: with what the norms say.
  void Report(const std::string& node, bool gradients, pipeline::Report* report) const;
  void Forget();
  void Save(const std::string& node, pipeline::State* state) const;
  absl::Status Load(const std::string& node, const pipeline::State& state);

 private:
  struct Part {
    double weight = 0;           // within the term, at the last step
    double sum = 0, amount = 0;  // over the phase
  };
  struct Term {
    std::string name;
    double weight;
    std::vector<Part> parts;
    double own = 1;      // at the last step
    double live = 0;     // value of the last step
    double factors = 0;  // sum over the phase's steps of what the weight was multiplied by
    // Sums over the steps at which norms were taken: its share of them, and its norm.
    double share = 0, norms = 0;

    // Whether it was exactly 0 over the phase, and moved no logit.
    bool IsDead() const;
    // The sum of its parts' means over the phase.
    double Mean() const;
  };
  struct Unread {
    std::vector<Weighing> weighings;
    at::Tensor account;
    at::Tensor norms;  // or undefined
  };
  struct Sums {
    std::vector<Term> terms;
    int64_t steps = 0;   // of the phase
    int64_t shares = 0;  // steps at which norms were taken
    double Weight(const Term& term) const;
    void Add(const std::vector<Weighing>& weighings, const double* account);
    void AddNorms(const std::vector<Weighing>& weighings, const double* norms);
  };

  const Sums& Read() const;

  // Reading changes nothing that can be seen.
  mutable Sums sums_;
  mutable std::vector<Unread> unread_;
};

}  // namespace plugins

#endif  // PLUGINS_LOSS_SUMS_H_

// Steps as they come, their numbers when they are asked for.
#include "plugins/loss_sums.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/concat.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "pipeline/count.h"

namespace plugins {
namespace {

constexpr size_t kUnread = 64;  // steps

std::string DeadRemark(const std::string& term) {
  return absl::StrCat(
      "the term ", term,
      " was exactly 0 over the whole epoch, and its gradient too: nothing is learned from it");
}

}  // namespace

bool LossSums::Term::IsDead() const {
  const auto is_zero = [](const Part& part) { return part.sum == 0; };
  return norms == 0 && std::all_of(parts.begin(), parts.end(), is_zero);
}

double LossSums::Term::Mean() const {
  double mean = 0;
  for (const Part& part : parts) {
    if (part.amount > 0) mean += part.weight * part.sum / part.amount;
  }
  return mean;
}

double LossSums::Sums::Weight(const Term& term) const {
  return steps == 0 ? term.weight : term.weight * term.factors / static_cast<double>(steps);
}

void LossSums::Sums::Add(const std::vector<Weighing>& weighings, const double* account) {
  size_t parts = 0;
  for (const Weighing& weighing : weighings) parts += weighing.parts.size();
  size_t i = 0;
  for (size_t k = 0; k < terms.size(); ++k) {
    Term& term = terms[k];
    term.own = weighings[k].own;
    term.live = 0;
    term.parts.resize(weighings[k].parts.size());
    for (size_t j = 0; j < term.parts.size(); ++j, ++i) {
      Part& part = term.parts[j];
      const double sum = account[i], amount = account[parts + i];
      part.weight = weighings[k].parts[j];
      part.sum += sum;
      part.amount += amount;
      if (amount > 0) term.live += part.weight * sum / amount;
    }
    term.factors += weighings[k].factor * term.own;
  }
  ++steps;
}

void LossSums::Sums::AddNorms(const std::vector<Weighing>& weighings, const double* norms) {
  double sum = 0;
  for (size_t k = 0; k < terms.size(); ++k) sum += weighings[k].factor * norms[k];
  for (size_t k = 0; k < terms.size(); ++k) {
    terms[k].norms += norms[k];
    terms[k].share +=
        sum > 0 ? weighings[k].factor * norms[k] / sum : 1.0 / static_cast<double>(terms.size());
  }
  ++shares;
}

void LossSums::AddTerm(const std::string& name, double weight, size_t parts) {
  sums_.terms.push_back({name, weight, std::vector<Part>(parts)});
}

void LossSums::Add(const std::vector<Weighing>& weighings, const at::Tensor& account) {
  if (unread_.size() == kUnread) Read();
  unread_.push_back({weighings, account, at::Tensor()});
}

void LossSums::AddNorms(const at::Tensor& norms) { unread_.back().norms = norms; }

const LossSums::Sums& LossSums::Read() const {
  if (unread_.empty()) return sums_;
  std::vector<at::Tensor> all;
  for (const Unread& step : unread_) {
    all.push_back(step.account.reshape(-1));
    if (step.norms.defined()) all.push_back(step.norms);
  }
  const at::Tensor read = at::concat(all).cpu();
  const double* next = read.data_ptr<double>();
  for (const Unread& step : unread_) {
    sums_.Add(step.weighings, next);
    next += step.account.numel();
    if (!step.norms.defined()) continue;
    sums_.AddNorms(step.weighings, next);
    next += step.norms.numel();
  }
  unread_.clear();
  return sums_;
}

at::Tensor LossSums::Values() const {
  const Unread& step = unread_.back();
  std::vector<double> weights;
  std::vector<int64_t> terms;
  for (size_t k = 0; k < step.weighings.size(); ++k) {
    for (const double part : step.weighings[k].parts) {
      weights.push_back(part);
      terms.push_back(static_cast<int64_t>(k));
    }
  }
  const auto there = [&](const at::Tensor& tensor) {
    return tensor.to(step.account.device(), /*non_blocking=*/true);
  };
  const at::Tensor sums = step.account.select(0, 0), amounts = step.account.select(0, 1);
  const at::Tensor parts = there(at::tensor(weights, at::kDouble)) * sums / amounts;
  std::vector<double> factors;
  for (size_t k = 0; k < step.weighings.size(); ++k) {
    factors.push_back(sums_.terms[k].weight * step.weighings[k].own);
  }
  at::Tensor values = at::zeros({static_cast<int64_t>(factors.size())}, sums.options());
  values.index_add_(0, there(at::tensor(terms, at::kLong)), parts.masked_fill(amounts <= 0, 0));
  return values * there(at::tensor(factors, at::kDouble));
}

std::vector<std::pair<std::string, double>> LossSums::Live() const {
  std::vector<std::pair<std::string, double>> values;
  for (const Term& term : Read().terms) values.emplace_back(term.name, term.live);
  return values;
}

void LossSums::Report(const std::string& node, bool gradients, pipeline::Report* report) const {
  const Sums& sums = Read();
  double total = 0;
  for (const Term& term : sums.terms) total += sums.Weight(term) * term.Mean();
  report->Add(node + ".total", total, pipeline::Better::kLower);
  for (const Term& term : sums.terms) {
    report->Add(absl::StrCat(node, ".", term.name), term.Mean(), pipeline::Better::kLower);
  }
  for (const Term& term : sums.terms) report->Add("weight." + term.name, sums.Weight(term));
  if (!gradients) return;
  for (const Term& term : sums.terms) {
    report->Add("gradient_share." + term.name,
                sums.shares == 0 ? 0 : term.share / static_cast<double>(sums.shares));
  }
  if (sums.shares == 0) return;
  for (const Term& term : sums.terms) {
    if (term.IsDead()) report->AddRemark(DeadRemark(term.name));
  }
}

void LossSums::Forget() {
  Read();
  sums_.steps = sums_.shares = 0;
  for (Term& term : sums_.terms) {
    term.factors = term.share = term.norms = 0;
    for (Part& part : term.parts) part.sum = part.amount = 0;
  }
}

void LossSums::Save(const std::string& node, pipeline::State* state) const {
  const Sums& all = Read();
  std::vector<double> sums = {static_cast<double>(all.steps), static_cast<double>(all.shares)};
  for (const Term& term : all.terms) {
    sums.insert(sums.end(), {term.own, term.live, term.factors, term.share, term.norms});
    for (const Part& part : term.parts) {
      sums.insert(sums.end(), {part.weight, part.sum, part.amount});
    }
  }
  state->Put(node + ".sums", sums);
}

absl::Status LossSums::Load(const std::string& node, const pipeline::State& state) {
  size_t count = 2;
  for (const Term& term : sums_.terms) count += 5 + 3 * term.parts.size();
  const auto sums = state.Numbers(node + ".sums", count);
  if (!sums.ok()) return sums.status();
  if (!pipeline::IsCount((*sums)[0]) || !pipeline::IsCount((*sums)[1])) {
    return absl::DataLossError(node + ".sums holds what is no count");
  }
  unread_.clear();
  auto next = sums->begin();
  sums_.steps = static_cast<int64_t>(*next++);
  sums_.shares = static_cast<int64_t>(*next++);
  for (Term& term : sums_.terms) {
    for (double* value : {&term.own, &term.live, &term.factors, &term.share, &term.norms}) {
      *value = *next++;
    }
    for (Part& part : term.parts) {
      for (double* value : {&part.weight, &part.sum, &part.amount}) *value = *next++;
    }
  }
  return absl::OkStatus();
}

}  // namespace plugins

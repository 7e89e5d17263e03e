// Losses, activations and options by which the runs of a study differ.
#include "pipeline/studies/axes.h"

#include <algorithm>
#include <boost/random/sobol.hpp>
#include <cmath>
#include <memory>
#include <optional>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "pipeline/config/text.h"
#include "pipeline/registry.h"

namespace pipeline {
namespace {

using google::protobuf::Any;

constexpr int kMaxLosses = 16;

// "focal", or "focal(gamma: 5)" where options are given.
std::string Label(const Any& plugin) {
  const std::unique_ptr<google::protobuf::Message> options = UnpackOptions(plugin);
  const std::string name = NameOfParts(plugin);
  if (options == nullptr || name != NameOf(plugin).file) return name;
  std::string text = PrintText(*options);
  while (!text.empty() && text.back() == '\n') text.pop_back();
  text = absl::StrReplaceAll(text, {{"\n", ", "}});
  return text.empty() ? name : absl::StrCat(name, "(", text, ")");
}

// "[losses/Focal] { gamma: 5 }", as --set takes it.
std::string PluginText(const Any& plugin) {
  const std::unique_ptr<google::protobuf::Message> options = UnpackOptions(plugin);
  const std::string text = options == nullptr ? "" : PrintText(*options);
  return absl::StrCat("[", plugin.type_url(), "] { ", absl::StrReplaceAll(text, {{"\n", " "}}),
                      "}");
}

// Of one axis; mistakes go to the diagnostics.
class Expander {
 public:
  Expander(const Path& at, const Locations& where, Diagnostics* errors)
      : at_(at), where_(where), errors_(*errors) {}

  std::vector<AxisValue> Values(const Axis& axis) {
    std::vector<AxisValue> values = Of(axis);
    std::set<std::string> names;
    for (AxisValue& value : values) {
      if (!axis.name().empty()) value.axis = axis.name();
      if (!names.insert(value.name).second) {
        Complain(at_, absl::StrCat("\"", value.name, "\" is twice in this axis"));
      }
    }
    return values;
  }

 private:
  void Complain(const Path& path, const std::string& what) { errors_.Add(where_.Of(path), what); }

  std::vector<AxisValue> Of(const Axis& axis) {
    switch (axis.kind_case()) {
      case Axis::kFusions:
        return OfFusions(axis.fusions());
      case Axis::kActivations:
        return OfActivations(axis.activations());
      case Axis::kValues:
        return OfValues(axis.values());
      case Axis::kVariants:
        return OfVariants(axis.variants());
      case Axis::kSamples:
        return OfSamples(axis.samples());
      default:
        Complain(at_, "an axis needs fusions, activations, values, variants or samples");
        return {};
    }
  }

  std::vector<AxisValue> OfFusions(const Fusions& fusions) {
    const Path at = at_ / "fusions";
    const int count = fusions.loss_size(), most = std::min(fusions.max_terms(), count);
    if (count == 0) Complain(at, "fusions need a loss: loss { [losses/Focal] {} }");
    if (count > kMaxLosses)
      Complain(at, "fusions of more than 16 losses are too many to be trained");
    if (fusions.min_terms() > most) {
      Complain(at, absl::StrCat("min_terms is ", fusions.min_terms(), ", and there are sets of ",
                                most, " losses at most"));
    }
    std::vector<AxisValue> values;
    if (count > kMaxLosses) return values;
    for (int size = fusions.min_terms(); size <= most; ++size) AddSets(fusions, size, &values);
    return Only(fusions, at, std::move(values));
  }

  // Sets of `size` losses, in lexicographic order.
  static void AddSets(const Fusions& fusions, int size, std::vector<AxisValue>* values) {
    const int count = fusions.loss_size();
    std::vector<int> members(size);
    for (int i = 0; i < size; ++i) members[i] = i;
    for (;;) {
      values->push_back(Fusion(fusions, members));
      int last = size - 1;
      while (last >= 0 && members[last] == count - size + last) --last;
      if (last < 0) return;
      ++members[last];
      for (int i = last + 1; i < size; ++i) members[i] = members[i - 1] + 1;
    }
  }

  static AxisValue Fusion(const Fusions& fusions, const std::vector<int>& members) {
    AxisValue value = {"fusion", "", {}, {}};
    std::vector<std::string> terms, weights;
    for (const int member : members) {
      value.losses.push_back(Label(fusions.loss(member)));
      terms.push_back(absl::StrCat("{ ", PluginText(fusions.loss(member)), " }"));
      weights.push_back(absl::StrCat(1.0 / static_cast<double>(members.size())));
    }
    value.name = absl::StrJoin(value.losses, "+");
    const std::string list = fusions.averaged() ? absl::StrJoin(weights, ", ") : "";
    value.sets = {absl::StrCat(fusions.node(), ".term=[", absl::StrJoin(terms, ", "), "]"),
                  absl::StrCat(fusions.node(), ".loss_weights=[", list, "]")};
    return value;
  }

  std::vector<AxisValue> Only(const Fusions& fusions, const Path& at,
                              std::vector<AxisValue> values) {
    if (fusions.only_size() == 0) return values;
    std::vector<AxisValue> kept;
    std::vector<std::string> names;
    for (const AxisValue& value : values) {
      names.push_back(value.name);
      const auto& only = fusions.only();
      if (std::find(only.begin(), only.end(), value.name) != only.end()) kept.push_back(value);
    }
    for (int i = 0; i < fusions.only_size(); ++i) {
      if (std::find(names.begin(), names.end(), fusions.only(i)) != names.end()) continue;
      Complain((at / "only")[i], absl::StrCat("no fusion \"", fusions.only(i),
                                              "\" of these losses; names keep their order",
                                              DidYouMean(fusions.only(i), names)));
    }
    return kept;
  }

  std::vector<AxisValue> OfActivations(const Activations& activations) {
    std::vector<AxisValue> values;
    for (const Any& activation : activations.activation()) {
      values.push_back(
          {"activation",
           Label(activation),
           {},
           {absl::StrCat(activations.node(), ".activation=", PluginText(activation))}});
    }
    if (values.empty()) Complain(at_, "activations need one: activation { [activations/Relu] {} }");
    return values;
  }

  std::vector<AxisValue> OfValues(const pipeline::Values& given) {
    const Path at = at_ / "values";
    const std::optional<Path> path = Path::Parse(given.path());
    if (!path.has_value() || path->whole()) {
      Complain(at, "values need a path such as \"train.learning_rate\"");
      return {};
    }
    if (given.value_size() == 0) Complain(at, "values need a value");
    std::vector<AxisValue> values;
    for (const std::string& value : given.value()) {
      values.push_back(
          {path->segments().back().name, value, {}, {absl::StrCat(given.path(), "=", value)}});
    }
    return values;
  }

  std::vector<AxisValue> OfVariants(const Variants& variants) {
    std::vector<AxisValue> values;
    for (const Variant& variant : variants.variant()) {
      if (variant.name().empty()) Complain(at_, "a variant needs a name");
      values.push_back(
          {"variant", variant.name(), {}, {variant.set().begin(), variant.set().end()}});
    }
    if (values.empty()) Complain(at_, "variants need a variant { name: ... set: ... }");
    return values;
  }

  std::vector<AxisValue> OfSamples(const Samples& samples) {
    const Path at = at_ / "samples";
    if (samples.range_size() == 0) Complain(at, "samples need a range { path: ... from: to: }");
    for (int i = 0; i < samples.range_size(); ++i) CheckRange(samples.range(i), (at / "range")[i]);
    if (!errors_.empty()) return {};
    boost::random::sobol sobol(static_cast<size_t>(samples.range_size()));
    std::vector<AxisValue> values;
    for (int i = 0; i < samples.samples(); ++i) {
      AxisValue value = {"sample", "", {}, {}};
      std::vector<std::string> parts;
      for (const Samples::Range& range : samples.range()) {
        const std::string drawn = Drawn(range, static_cast<double>(sobol()) / std::ldexp(1., 64));
        const Path path = *Path::Parse(range.path());
        parts.push_back(absl::StrCat(path.segments().back().name, " ", drawn));
        value.sets.push_back(absl::StrCat(range.path(), "=", drawn));
      }
      value.name = absl::StrJoin(parts, ", ");
      values.push_back(std::move(value));
    }
    return values;
  }

  void CheckRange(const Samples::Range& range, const Path& at) {
    const std::optional<Path> path = Path::Parse(range.path());
    if (!path.has_value() || path->whole()) Complain(at, "a range needs a path");
    if (!range.has_from() || !range.has_to() || !(range.from() < range.to())) {
      Complain(at, "a range goes from a number to a larger one");
    } else if (range.logarithmic() && range.from() <= 0) {
      Complain(at, "a logarithmic range begins above 0");
    }
  }

  // At `place` of [0, 1); four digits, as a result is written down.
  static std::string Drawn(const Samples::Range& range, double place) {
    const double value = range.logarithmic()
                             ? range.from() * std::pow(range.to() / range.from(), place)
                             : range.from() + (range.to() - range.from()) * place;
    return absl::StrFormat("%.4g", value);
  }

  const Path at_;
  const Locations& where_;
  Diagnostics& errors_;
};

}  // namespace

std::vector<AxisValue> ValuesOfAxis(const Axis& axis, const Path& at, const Locations& where,
                                    Diagnostics* errors) {
  return Expander(at, where, errors).Values(axis);
}

}  // namespace pipeline

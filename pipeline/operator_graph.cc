// Operators, constants and their names.
#include "pipeline/operator_graph.h"

#include <ATen/ops/scalar_tensor.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace pipeline {
namespace {

constexpr int64_t kSmall = 1 << 16;  // elements

// What two constants share that may be one.
std::string ContentOf(const at::Tensor& plain) {
  return absl::StrCat(c10::toString(plain.scalar_type()), "[", absl::StrJoin(plain.sizes(), ","),
                      "]",
                      absl::string_view(static_cast<const char*>(plain.data_ptr()),
                                        static_cast<size_t>(plain.numel() * plain.element_size())));
}

}  // namespace

Symbol OperatorGraph::Input(const std::string& name, at::ScalarType type,
                            std::vector<int64_t> shape) {
  inputs_.push_back({this, name, type, std::move(shape)});
  return inputs_.back();
}

void OperatorGraph::Output(const std::string& name, const Symbol& value) {
  operators_.push_back({"Identity", {value.name}, name, {}});
  outputs_.push_back({this, name, value.type, value.shape});
}

void OperatorGraph::Name(const at::Tensor& parameter, const std::string& name) {
  parameter_names_[parameter.unsafeGetTensorImpl()] = name;
}

Symbol OperatorGraph::Constant(const at::Tensor& value) {
  const at::Tensor plain = value.detach().cpu().contiguous();
  const auto named = parameter_names_.find(value.unsafeGetTensorImpl());
  std::string name = named == parameter_names_.end() ? "" : named->second;
  if (name.empty() && plain.numel() <= kSmall) {
    std::string& known = by_content_[ContentOf(plain)];
    if (known.empty()) known = absl::StrCat("constant_", constants_.size());
    name = known;
  }
  if (name.empty()) name = absl::StrCat("constant_", constants_.size());
  constants_[name] = plain;
  return {this, name, plain.scalar_type(), plain.sizes().vec()};
}

Symbol OperatorGraph::Add(const std::string& type, const std::vector<Symbol>& inputs,
                          Attributes attributes) {
  Operator next = {type, {}, absl::StrCat(type, "_", counts_[type]++), std::move(attributes)};
  for (const Symbol& input : inputs) next.inputs.push_back(input.name);
  operators_.push_back(next);
  return {this, next.output, inputs[0].type, inputs[0].shape};
}

void OperatorGraph::Refuse(const std::string& why) {
  if (status_.ok()) status_ = absl::UnimplementedError(absl::StrCat(writer_, " ", why));
}

Symbol Op(const std::string& type, const std::vector<Symbol>& inputs, Attributes attributes) {
  return inputs[0].graph->Add(type, inputs, std::move(attributes));
}

Symbol Shaped(Symbol symbol, std::vector<int64_t> shape) {
  symbol.shape = std::move(shape);
  return symbol;
}

Symbol Cast(const Symbol& x, at::ScalarType type) {
  constexpr std::pair<at::ScalarType, int64_t> kTypes[] = {{at::kFloat, 1}, {at::kByte, 2},
                                                           {at::kInt, 6},   {at::kLong, 7},
                                                           {at::kBool, 9},  {at::kDouble, 11}};
  int64_t number = 0;
  for (const auto& [known, to] : kTypes) {
    if (known == type) number = to;
  }
  Symbol cast = Op("Cast", {x}, {{"to", number}});
  cast.type = type;
  return cast;
}

Symbol Scalar(const Symbol& like, double value) {
  return like.graph->Constant(at::scalar_tensor(value, like.type));
}

Symbol operator+(const Symbol& a, const Symbol& b) { return Op("Add", {a, b}); }
Symbol operator-(const Symbol& a, const Symbol& b) { return Op("Sub", {a, b}); }
Symbol operator*(const Symbol& a, const Symbol& b) { return Op("Mul", {a, b}); }
Symbol operator/(const Symbol& a, const Symbol& b) { return Op("Div", {a, b}); }
Symbol operator+(const Symbol& a, double b) { return a + Scalar(a, b); }
Symbol operator-(const Symbol& a, double b) { return a - Scalar(a, b); }
Symbol operator*(const Symbol& a, double b) { return a * Scalar(a, b); }

Symbol Where(const Symbol& condition, const Symbol& a, const Symbol& b) {
  Symbol chosen = Op("Where", {condition, a, b});
  chosen.type = a.type;
  return chosen;
}

}  // namespace pipeline

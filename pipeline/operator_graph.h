// A computation written down in ONNX's operators (opset 17): what stages, models and activations
// that can be exported write themselves into. pipeline/export/ makes a file of it.
#ifndef PIPELINE_OPERATOR_GRAPH_H_
#define PIPELINE_OPERATOR_GRAPH_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"

namespace pipeline {

class OperatorGraph;

// A tensor of such a computation: it has no values, only what is known of it.
struct Symbol {
  OperatorGraph* graph = nullptr;
  std::string name;
  at::ScalarType type = at::kFloat;
  std::vector<int64_t> shape;  // -1 is the batch's extent

  int64_t size(int64_t dimension) const { return shape[dimension]; }
};

// Lists of integers are int64, numbers float32.
using Attribute = std::variant<int64_t, double, std::string, std::vector<int64_t>>;
using Attributes = std::vector<std::pair<std::string, Attribute>>;

class OperatorGraph {
 public:
  struct Operator {
    std::string type;  // "Conv"
    std::vector<std::string> inputs;
    std::string output;
    Attributes attributes;
  };

  OperatorGraph() = default;
  OperatorGraph(const OperatorGraph&) = delete;  // symbols point to it

  Symbol Input(const std::string& name, at::ScalarType type, std::vector<int64_t> shape);
  void Output(const std::string& name, const Symbol& value);
  // Small ones of equal content are stored once.
  Symbol Constant(const at::Tensor& value);
  // How a parameter is called where it is a constant.
  void Name(const at::Tensor& parameter, const std::string& name);
  // One more operator. Type and shape of its output are those of its first input.
  Symbol Add(const std::string& type, const std::vector<Symbol>& inputs, Attributes attributes);

  // What writes itself now, such as "[models/Unet]".
  void SetWriter(const std::string& name) { writer_ = name; }
  // The writer cannot be exported: `why` ends a sentence that begins with its name. Writing may go
  // on; what comes of it is of no use.
  void Refuse(const std::string& why);
  // UNIMPLEMENTED with the first reason.
  const absl::Status& status() const { return status_; }

  // What a reader of the file should know, such as "mean"; values that are no text are JSON.
  void Tell(const std::string& key, const std::string& value) { facts_[key] = value; }

  const std::vector<Symbol>& inputs() const { return inputs_; }
  const std::vector<Symbol>& outputs() const { return outputs_; }
  const std::map<std::string, std::string>& facts() const { return facts_; }
  // Each follows those that it reads.
  std::vector<Operator>& operators() { return operators_; }
  const std::vector<Operator>& operators() const { return operators_; }
  // By name; on the CPU, contiguous.
  std::map<std::string, at::Tensor>& constants() { return constants_; }
  const std::map<std::string, at::Tensor>& constants() const { return constants_; }

 private:
  std::vector<Symbol> inputs_, outputs_;
  std::vector<Operator> operators_;
  std::map<std::string, at::Tensor> constants_;
  std::map<std::string, std::string> by_content_;       // names of small constants
  std::map<const void*, std::string> parameter_names_;  // by address
  std::map<std::string, int> counts_;                   // of operators, by type
  std::map<std::string, std::string> facts_;
  std::string writer_;
  absl::Status status_;
};

// An operator on symbols of one graph.
Symbol Op(const std::string& type, const std::vector<Symbol>& inputs, Attributes attributes = {});
// The same symbol, where an operator's output is not as its first input.
Symbol Shaped(Symbol symbol, std::vector<int64_t> shape);
// To a type that ONNX knows: bool, uint8, int32, int64, float32, float64.
Symbol Cast(const Symbol& x, at::ScalarType type);
// Of the type of `like`.
Symbol Scalar(const Symbol& like, double value);

Symbol operator+(const Symbol& a, const Symbol& b);
Symbol operator-(const Symbol& a, const Symbol& b);
Symbol operator*(const Symbol& a, const Symbol& b);
Symbol operator/(const Symbol& a, const Symbol& b);
Symbol operator+(const Symbol& a, double b);
Symbol operator-(const Symbol& a, double b);
Symbol operator*(const Symbol& a, double b);
// Where `condition`, a comparison's output, holds: a; else b.
Symbol Where(const Symbol& condition, const Symbol& a, const Symbol& b);

}  // namespace pipeline

#endif  // PIPELINE_OPERATOR_GRAPH_H_

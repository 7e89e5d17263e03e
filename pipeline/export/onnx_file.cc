// Operators, constants and facts in ONNX's schema.
#include "pipeline/export/onnx_file.h"

#include "absl/strings/str_cat.h"
#include "pipeline/export/onnx.pb.h"
#include "pipeline/utf8.h"

namespace pipeline {
namespace {

namespace schema = lossfusion::onnx;

constexpr int kOpset = 17, kIrVersion = 8;
constexpr int64_t kMostBytes = (int64_t{1} << 31) - 1;  // of a message of protobuf

constexpr std::pair<at::ScalarType, schema::TensorProto::DataType> kTypes[] = {
    {at::kFloat, schema::TensorProto::FLOAT}, {at::kByte, schema::TensorProto::UINT8},
    {at::kInt, schema::TensorProto::INT32},   {at::kLong, schema::TensorProto::INT64},
    {at::kBool, schema::TensorProto::BOOL},   {at::kDouble, schema::TensorProto::DOUBLE}};

schema::TensorProto::DataType TypeOf(at::ScalarType type) {
  for (const auto& [known, number] : kTypes) {
    if (known == type) return number;
  }
  return schema::TensorProto::UNDEFINED;
}

void Write(const std::string& name, const at::Tensor& value, schema::TensorProto* to) {
  to->set_name(name);
  for (const int64_t extent : value.sizes()) to->add_dims(extent);
  to->set_data_type(TypeOf(value.scalar_type()));
  to->set_raw_data(value.data_ptr(), static_cast<size_t>(value.numel() * value.element_size()));
}

void Write(const Symbol& symbol, schema::ValueInfoProto* to) {
  to->set_name(symbol.name);
  schema::TypeProto::Tensor* type = to->mutable_type()->mutable_tensor_type();
  type->set_elem_type(TypeOf(symbol.type));
  for (const int64_t extent : symbol.shape) {
    auto* dimension = type->mutable_shape()->add_dim();
    extent < 0 ? dimension->set_dim_param("N") : dimension->set_dim_value(extent);
  }
}

struct AttributeWriter {
  schema::AttributeProto* to;

  void operator()(int64_t value) const {
    to->set_type(schema::AttributeProto::INT);
    to->set_i(value);
  }
  void operator()(double value) const {
    to->set_type(schema::AttributeProto::FLOAT);
    to->set_f(static_cast<float>(value));
  }
  void operator()(const std::string& value) const {
    to->set_type(schema::AttributeProto::STRING);
    to->set_s(value);
  }
  void operator()(const std::vector<int64_t>& values) const {
    to->set_type(schema::AttributeProto::INTS);
    to->mutable_ints()->Add(values.begin(), values.end());
  }
};

void Write(const OperatorGraph::Operator& op, schema::NodeProto* to) {
  to->set_name(op.output);
  to->set_op_type(op.type);
  to->mutable_input()->Add(op.inputs.begin(), op.inputs.end());
  to->add_output(op.output);
  for (const auto& [name, value] : op.attributes) {
    schema::AttributeProto* attribute = to->add_attribute();
    attribute->set_name(name);
    std::visit(AttributeWriter{attribute}, value);
  }
}

}  // namespace

absl::StatusOr<std::string> OnnxFile(const OperatorGraph& graph, const std::string& name) {
  int64_t bytes = 0;
  for (const auto& [key, value] : graph.constants()) bytes += value.numel() * value.element_size();
  schema::ModelProto model;
  if (bytes < kMostBytes) {
    for (const auto& [key, value] : graph.constants()) {
      Write(key, value, model.mutable_graph()->add_initializer());
    }
  }
  model.set_ir_version(kIrVersion);
  model.set_producer_name("lossfusion");
  model.add_opset_import()->set_version(kOpset);
  model.mutable_opset_import(0)->set_domain("");
  model.mutable_graph()->set_name(ValidUtf8(name));
  for (const Symbol& input : graph.inputs()) Write(input, model.mutable_graph()->add_input());
  for (const Symbol& output : graph.outputs()) Write(output, model.mutable_graph()->add_output());
  for (const auto& op : graph.operators()) Write(op, model.mutable_graph()->add_node());
  for (const auto& [key, value] : graph.facts()) {
    schema::StringStringEntryProto* entry = model.add_metadata_props();
    entry->set_key(key);
    entry->set_value(ValidUtf8(value));
  }
  std::string text;
  if (bytes >= kMostBytes || model.ByteSizeLong() > kMostBytes || !model.SerializeToString(&text)) {
    return absl::InvalidArgumentError(
        absl::StrCat("the model has ", bytes >> 20,
                     " MB of weights, and an ONNX file holds less than 2 GB; make it narrower"));
  }
  return text;
}

}  // namespace pipeline

// Each layer as one or two operators.
#include "models/written_layers.h"

#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>

#include "models/layers.h"

namespace models {
namespace {

using pipeline::Op;
using pipeline::Symbol;
using Integers = std::vector<int64_t>;

Symbol List(const Symbol& like, const Integers& values) {
  return like.graph->Constant(at::tensor(values, at::kLong));
}

// [size, from]: the means that adaptive pooling takes.
at::Tensor AveragingMatrix(int64_t from, int64_t size) {
  at::Tensor matrix = at::zeros({size, from});
  for (int64_t i = 0; i < size; ++i) {
    const int64_t begin = i * from / size, end = ((i + 1) * from + size - 1) / size;
    matrix[i].slice(0, begin, end).fill_(1.0 / static_cast<double>(end - begin));
  }
  return matrix;
}

// Rows and columns of every channel's map, each by a matrix.
Symbol Multiplied(const at::Tensor& rows, const at::Tensor& columns, const Symbol& x) {
  const Symbol wide = Shaped(Op("MatMul", {x, x.graph->Constant(columns.t().contiguous())}),
                             {x.size(0), x.size(1), x.size(2), columns.size(0)});
  Symbol all = Op("MatMul", {x.graph->Constant(rows), wide});
  return Shaped(all, {x.size(0), x.size(1), rows.size(0), columns.size(0)});
}

}  // namespace

Symbol WriteConvolution(const torch::nn::Conv2dImpl& layer, const Symbol& x) {
  const int64_t padding = layer.weight.size(2) / 2;
  const Symbol y =
      Op("Conv", {x, x.graph->Constant(layer.weight), x.graph->Constant(layer.bias)},
         {{"kernel_shape", layer.weight.sizes().slice(2).vec()}, {"pads", Integers(4, padding)}});
  return Shaped(y, {x.size(0), layer.weight.size(0), x.size(2), x.size(3)});
}

Symbol WriteBatchNorm(const torch::nn::BatchNorm2dImpl& layer, const Symbol& x) {
  const auto constant = [&](const at::Tensor& tensor) { return x.graph->Constant(tensor); };
  return Op("BatchNormalization",
            {x, constant(layer.weight), constant(layer.bias), constant(layer.running_mean),
             constant(layer.running_var)},
            {{"epsilon", layer.options.eps()}});
}

Symbol WriteLinear(const torch::nn::LinearImpl& layer, const Symbol& x) {
  const Symbol y = Op("Gemm", {x, x.graph->Constant(layer.weight), x.graph->Constant(layer.bias)},
                      {{"transB", int64_t{1}}});
  return Shaped(y, {x.size(0), layer.weight.size(0)});
}

Symbol WriteUpConvolution(const at::Tensor& weight, const at::Tensor& bias, const Symbol& x) {
  const Symbol y = Op("ConvTranspose", {x, x.graph->Constant(weight), x.graph->Constant(bias)},
                      {{"kernel_shape", Integers{2, 2}}, {"strides", Integers{2, 2}}});
  return Shaped(y, {x.size(0), weight.size(1), 2 * x.size(2), 2 * x.size(3)});
}

Symbol Upsample(const Symbol& x, int64_t height, int64_t width) {
  if (x.size(2) == height && x.size(3) == width) return x;
  return Multiplied(InterpolationMatrix(x.size(2), height, at::kFloat),
                    InterpolationMatrix(x.size(3), width, at::kFloat), x);
}

Symbol MaxPool(const Symbol& x) {
  const Symbol y =
      Op("MaxPool", {x}, {{"kernel_shape", Integers{2, 2}}, {"strides", Integers{2, 2}}});
  return Shaped(y, {x.size(0), x.size(1), x.size(2) / 2, x.size(3) / 2});
}

Symbol Average(const Symbol& x, int64_t size) {
  Symbol pooled = x;
  if (size == 1) {
    pooled = Op("GlobalAveragePool", {x});
  } else if (x.size(2) != size || x.size(3) != size) {
    pooled = Multiplied(AveragingMatrix(x.size(2), size), AveragingMatrix(x.size(3), size), x);
  }
  return Shaped(Op("Flatten", {pooled}, {{"axis", int64_t{1}}}),
                {x.size(0), x.size(1) * size * size});
}

Symbol Joined(const Symbol& a, const Symbol& b) {
  return Shaped(Op("Concat", {a, b}, {{"axis", int64_t{1}}}),
                {a.size(0), a.size(1) + b.size(1), a.size(2), a.size(3)});
}

Symbol PadToMultiple(const Symbol& x, int64_t multiple) {
  const auto missing = [&](int64_t extent) { return (multiple - extent % multiple) % multiple; };
  const int64_t bottom = missing(x.size(2)), right = missing(x.size(3));
  if (bottom == 0 && right == 0) return x;
  const Symbol padded = Op("Pad", {x, List(x, {0, 0, 0, 0, 0, 0, bottom, right})});
  return Shaped(padded, {x.size(0), x.size(1), x.size(2) + bottom, x.size(3) + right});
}

Symbol Crop(const Symbol& x, int64_t height, int64_t width) {
  if (x.size(2) == height && x.size(3) == width) return x;
  const Symbol part = Op("Slice", {x, List(x, {0, 0}), List(x, {height, width}), List(x, {2, 3})});
  return Shaped(part, {x.size(0), x.size(1), height, width});
}

}  // namespace models

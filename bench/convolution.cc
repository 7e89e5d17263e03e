// Convolutions of 3x3 in float32, ours against LibTorch's: forward, and forward with all gradients.
#include "models/convolution.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/randn.h>
#include <torch/csrc/autograd/autograd.h>

#include <functional>
#include <vector>

#include "absl/strings/str_cat.h"
#include "bench/measure.h"

namespace {

using Function = std::function<at::Tensor(const at::Tensor&, const at::Tensor&, const at::Tensor&)>;

struct Shape {
  const char* where;
  int64_t images, size, in, out;
};

at::Tensor Theirs(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias) {
  return at::conv2d(x, weight, bias, /*stride=*/1, /*padding=*/1);
}

std::vector<bench::Case> Compare(const Shape& shape) {
  constexpr double kSeconds = 4;
  std::vector<at::Tensor> leaves = {at::randn({shape.images, shape.in, shape.size, shape.size})
                                        .contiguous(at::MemoryFormat::ChannelsLast),
                                    at::randn({shape.out, shape.in, 3, 3}), at::randn({shape.out})};
  const at::Tensor incoming = at::randn({shape.images, shape.out, shape.size, shape.size})
                                  .contiguous(at::MemoryFormat::ChannelsLast);
  const auto forward = [&](const Function& convolve) {
    return [&, convolve] { convolve(leaves[0], leaves[1], leaves[2]); };
  };
  const auto train = [&](const Function& convolve) {
    return [&, convolve] {
      torch::autograd::grad({convolve(leaves[0], leaves[1], leaves[2])}, leaves, {incoming});
    };
  };
  const std::vector<double> predicted =
      bench::LeastMs({forward(models::Convolve), forward(Theirs)}, kSeconds);
  for (at::Tensor& leaf : leaves) leaf.requires_grad_();
  const std::vector<double> trained =
      bench::LeastMs({train(models::Convolve), train(Theirs)}, kSeconds);
  const std::string name = absl::StrCat(shape.where, ": [", shape.images, ",", shape.in, ",",
                                        shape.size, ",", shape.size, "] to ", shape.out);
  return {{name + ", forward", predicted[0], predicted[1]},
          {name + ", and backward", trained[0], trained[1]}};
}

}  // namespace

int main(int argc, char** argv) {
  bench::Start(&argc, &argv, "Convolutions of 3x3 in float32, against LibTorch's.");
  std::vector<bench::Case> cases;
  for (const Shape& shape :
       {Shape{"Cnn", 32, 32, 32, 64}, Shape{"Cnn", 32, 16, 64, 128}, Shape{"Vgg16", 8, 224, 64, 64},
        Shape{"Vgg16", 8, 112, 128, 128}, Shape{"Vgg16", 8, 56, 256, 256},
        Shape{"Vgg16", 8, 28, 512, 512}, Shape{"Vgg16", 8, 14, 512, 512},
        Shape{"Unet", 2, 256, 64, 32}, Shape{"narrow", 32, 64, 16, 16}}) {
    for (bench::Case& one : Compare(shape)) cases.push_back(std::move(one));
  }
  bench::Print(cases);
}

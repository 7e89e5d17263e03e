// What must survive the end of a process: named tensors, each with one owner that saves and loads
// it.
#ifndef PIPELINE_STATE_H_
#define PIPELINE_STATE_H_

#include <ATen/core/Tensor.h>

#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace pipeline {

class State {
 public:
  // Names begin with their owner's, as in "optimizer.steps"; a later value replaces an earlier one.
  // Tensors are shared, not copied.
  void Put(const std::string& name, const at::Tensor& value) { tensors_[name] = value; }
  void Put(const std::string& name, const std::vector<double>& numbers);
  // As its bytes.
  void PutText(const std::string& name, const std::string& text);
  // All of `part`, each name behind `prefix`.
  void PutAll(const std::string& prefix, const State& part);

  // NOT_FOUND where there is none; DATA_LOSS where it is not of that type, or not of that length.
  absl::StatusOr<std::vector<double>> Numbers(const std::string& name) const;
  absl::StatusOr<std::vector<double>> Numbers(const std::string& name, size_t count) const;
  absl::StatusOr<std::string> Text(const std::string& name) const;
  // Copies the value into `target`. NOT_FOUND as above; DATA_LOSS where type or shape differ.
  absl::Status CopyTo(const std::string& name, const at::Tensor& target) const;
  bool Has(const std::string& name) const { return tensors_.count(name) > 0; }
  // What PutAll put there, without the prefix.
  State Part(const std::string& prefix) const;
  // The same values in memory of their own.
  State Copy() const;

  const std::map<std::string, at::Tensor>& tensors() const { return tensors_; }

 private:
  absl::StatusOr<at::Tensor> Find(const std::string& name) const;

  std::map<std::string, at::Tensor> tensors_;
};

}  // namespace pipeline

#endif  // PIPELINE_STATE_H_

// What is said of each image from outside, as lines of CSV or JSON.
#ifndef PIPELINE_PREDICTION_ANSWERS_H_
#define PIPELINE_PREDICTION_ANSWERS_H_

#include <string>
#include <vector>

namespace pipeline {

struct Answer {
  std::string path;
  std::string error;  // then there is nothing else
  // Of an image.
  std::string predicted;
  double probability = 0;  // of it
  std::vector<double> probabilities;
  // Of a mask: its file, and the share of the pixels that each class has.
  std::string mask;
  std::vector<double> shares;
  // In nats, of masks the mean over the pixels; the second one where there were several members.
  double entropy = 0, mutual_information = 0;
};

class AnswerFormat {
 public:
  struct Shape {
    bool json = false;  // JSON lines
    bool masks = false;
    bool members = false;  // whether there are several
  };
  AnswerFormat(Shape shape, std::vector<std::string> classes)
      : shape_(shape), classes_(std::move(classes)) {}

  // "path,class,probability,entropy[,mutual_information],p.NAME...,error" as a line, of masks
  // "path,mask,entropy[,mutual_information],share.NAME...,error"; "" of JSON.
  std::string Header() const;
  // One line: CSV's cells of the header, or an object with "path", "class", "probability",
  // "probabilities" by class, or "mask" and "shares", and "entropy"; "path" and "error".
  std::string Line(const Answer& answer) const;

 private:
  std::string JsonLine(const Answer& answer) const;

  const Shape shape_;
  const std::vector<std::string> classes_;
};

}  // namespace pipeline

#endif  // PIPELINE_PREDICTION_ANSWERS_H_

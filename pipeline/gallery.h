// Pictures for a page, with what is to be said of them.
#ifndef PIPELINE_GALLERY_H_
#define PIPELINE_GALLERY_H_

#include <string>
#include <vector>

namespace pipeline {

struct Picture {
  std::string jpeg;     // bytes of a file
  std::string caption;  // lines
  std::string alt;      // for who cannot see it
};
struct Gallery {
  std::string title, note;
  std::vector<Picture> pictures;
};

}  // namespace pipeline

#endif  // PIPELINE_GALLERY_H_

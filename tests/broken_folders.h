// Two folders of the same small images, one with broken ones among them.
#ifndef TESTS_BROKEN_FOLDERS_H_
#define TESTS_BROKEN_FOLDERS_H_

#include <string>

#include "absl/strings/str_cat.h"
#include "tests/image_folders.h"
#include "tests/testing.h"

namespace testing_support {

// A picture whose pixels are damaged, which only decoding tells.
inline std::string Damaged(int seed) {
  std::string bytes = Picture(seed);
  bytes[bytes.find("IDAT") + 10] ^= 1;
  return bytes;
}

constexpr const char* kDamaged[] = {"broken/train/a/2x.png", "broken/train/b/0x.png",
                                    "broken/test/a/0x.png"};

// whole/ and broken/, of 18 training and 12 test images; in broken/ there are those of kDamaged
// too.
class BrokenFolders : public Workspace {
 public:
  BrokenFolders() {
    int seed = 0;
    for (const char* folder : {"train/a", "train/b", "train/b", "test/a", "test/b"}) {
      for (int i = 0; i < 6; ++i) {
        const std::string name = absl::StrCat(folder, "/", ++seed, ".png");
        for (const char* root : {"whole/", "broken/"}) Write(root + name, Picture(seed));
      }
    }
    for (const char* name : kDamaged) Write(name, Damaged(++seed));
  }
};

}  // namespace testing_support

#endif  // TESTS_BROKEN_FOLDERS_H_

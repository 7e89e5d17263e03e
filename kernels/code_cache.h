// Machine code that was compiled at run time, kept for the next process.
#ifndef KERNELS_CODE_CACHE_H_
#define KERNELS_CODE_CACHE_H_

#include <functional>
#include <string>

namespace kernels {

class CodeCache {
 public:
  // Files go to `folder`, with '/' at its end; "" keeps nothing.
  explicit CodeCache(std::string folder) : folder_(std::move(folder)) {}

  // The user's: kernels/ in pipeline::CacheFolder().
  static CodeCache OfUser();

  // The code that was kept under `key`, which must name all that it depends on, or what `compile`
  // gives, which is then kept unless it is empty. A file that is damaged is compiled anew; one that
  // cannot be written costs nothing but time.
  std::string Get(const std::string& key, const std::function<std::string()>& compile) const;

 private:
  const std::string folder_;
};

}  // namespace kernels

#endif  // KERNELS_CODE_CACHE_H_

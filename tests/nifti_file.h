// Writes NIfTI files for tests, byte by byte after the format's own tables: independent of
// libnifti.
#ifndef TESTS_NIFTI_FILE_H_
#define TESTS_NIFTI_FILE_H_

#include <zlib.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

namespace testing_support {

struct NiftiFile {
  // Codes of the format.
  enum Type {
    kUint8 = 2,
    kInt16 = 4,
    kInt32 = 8,
    kFloat32 = 16,
    kComplex64 = 32,
    kFloat64 = 64,
    kRgb24 = 128,
    kInt8 = 256,
    kUint16 = 512,
    kUint32 = 768,
    kInt64 = 1024,
    kUint64 = 1280
  };

  int version = 1;
  bool big_endian = false;
  bool gzip = false;
  std::vector<int64_t> extents = {4, 3, 2};
  int type = kInt16;
  double slope = 0, inter = 0;
  // Rows of sform, 12 numbers; empty: the file says nothing of its axes.
  std::vector<double> sform;
  std::vector<double> voxels;  // as stored, first axis fastest; cast to the type

  std::string Bytes() const {
    std::string bytes(version == 1 ? 352 : 544, '\0');
    const bool first = version == 1;
    Put<int32_t>(&bytes, 0, first ? 348 : 540);
    const std::string magic = first ? std::string("n+1\0", 4) : std::string("n+2\0\r\n\x1a\n", 8);
    bytes.replace(first ? 344 : 4, magic.size(), magic);
    for (size_t i = 0; i < 8; ++i) {
      const int64_t extent = i == 0                ? static_cast<int64_t>(extents.size())
                             : i <= extents.size() ? extents[i - 1]
                                                   : 1;
      first ? Put<int16_t>(&bytes, 40 + 2 * i, extent) : Put<int64_t>(&bytes, 16 + 8 * i, extent);
      first ? Put<float>(&bytes, 76 + 4 * i, 1) : Put<double>(&bytes, 104 + 8 * i, 1);
    }
    Put<int16_t>(&bytes, first ? 70 : 12, type);
    Put<int16_t>(&bytes, first ? 72 : 14, 8 * Size());
    first ? Put<float>(&bytes, 108, 352) : Put<int64_t>(&bytes, 168, 544);
    first ? Put<float>(&bytes, 112, slope) : Put<double>(&bytes, 176, slope);
    first ? Put<float>(&bytes, 116, inter) : Put<double>(&bytes, 184, inter);
    if (!sform.empty()) {
      first ? Put<int16_t>(&bytes, 254, 1) : Put<int32_t>(&bytes, 348, 1);
      for (size_t i = 0; i < 12; ++i) {
        first ? Put<float>(&bytes, 280 + 4 * i, sform[i])
              : Put<double>(&bytes, 400 + 8 * i, sform[i]);
      }
    }
    const size_t start = bytes.size();
    bytes.resize(start + voxels.size() * Size());
    for (size_t i = 0; i < voxels.size(); ++i) PutVoxel(&bytes, start + i * Size(), voxels[i]);
    return gzip ? Gzip(bytes) : bytes;
  }

  static std::string Gzip(const std::string& bytes) {
    z_stream stream = {};
    // 16 asks for gzip's frame.
    deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
    std::string packed(deflateBound(&stream, bytes.size()) + 32, '\0');
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
    stream.avail_in = bytes.size();
    stream.next_out = reinterpret_cast<Bytef*>(packed.data());
    stream.avail_out = packed.size();
    deflate(&stream, Z_FINISH);
    packed.resize(stream.total_out);
    deflateEnd(&stream);
    return packed;
  }

 private:
  size_t Size() const {
    switch (type) {
      case kUint8:
      case kInt8:
        return 1;
      case kInt16:
      case kUint16:
        return 2;
      case kRgb24:
        return 3;
      case kInt32:
      case kUint32:
      case kFloat32:
        return 4;
      default:
        return 8;
    }
  }

  template <class T>
  void Put(std::string* bytes, size_t at, double value) const {
    const T number = static_cast<T>(value);
    char raw[sizeof(T)];
    std::memcpy(raw, &number, sizeof(T));
    if (big_endian) std::reverse(raw, raw + sizeof(T));
    bytes->replace(at, sizeof(T), raw, sizeof(T));
  }

  void PutVoxel(std::string* bytes, size_t at, double value) const {
    switch (type) {
      case kUint8:
        return Put<uint8_t>(bytes, at, value);
      case kInt8:
        return Put<int8_t>(bytes, at, value);
      case kInt16:
        return Put<int16_t>(bytes, at, value);
      case kUint16:
        return Put<uint16_t>(bytes, at, value);
      case kInt32:
        return Put<int32_t>(bytes, at, value);
      case kUint32:
        return Put<uint32_t>(bytes, at, value);
      case kInt64:
        return Put<int64_t>(bytes, at, value);
      case kUint64:
        return Put<uint64_t>(bytes, at, value);
      case kFloat32:
        return Put<float>(bytes, at, value);
      default:
        return Put<double>(bytes, at, value);
    }
  }
};

}  // namespace testing_support

#endif  // TESTS_NIFTI_FILE_H_

// Addresses of this host.
#ifndef PIPELINE_PARALLEL_ADDRESS_H_
#define PIPELINE_PARALLEL_ADDRESS_H_

#include <string>

namespace pipeline {

// The address of this host from which packets to that one go; "" where there is no way.
std::string AddressTowards(const std::string& host);

// What the system says of a host whose address it does not know; "" where it knows it.
std::string WhyUnknown(const std::string& host);

bool IsLoopback(const std::string& address);

}  // namespace pipeline

#endif  // PIPELINE_PARALLEL_ADDRESS_H_

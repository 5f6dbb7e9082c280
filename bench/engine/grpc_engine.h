// A private ordergate-engine on a unix socket.
#pragma once

#include <sys/types.h>

#include <string>

namespace ordergate::bench {

// Processor time of all threads of a process, in ns.
struct CpuTime {
  double total_ns;
  double kernel_ns;  // of it; the kernel counts it in ticks of 10 ms

  CpuTime operator-(const CpuTime& other) const { return {total_ns - other.total_ns, kernel_ns - other.kernel_ns}; }
};

class EngineProcess {
 public:
  // Starts the binary in a new directory below the system's for temporary files and waits until it serves. Throws
  // std::runtime_error with what it said if it does not.
  EngineProcess(const std::string& binary, const std::string& instruments);
  ~EngineProcess();
  EngineProcess(const EngineProcess&) = delete;
  EngineProcess& operator=(const EngineProcess&) = delete;

  // For grpc::CreateChannel.
  std::string address() const { return "unix:" + directory_ + "/engine.sock"; }
  // Digest of its instruments.
  const std::string& digest() const { return digest_; }
  CpuTime cpu() const;

 private:
  void start(const std::string& binary);
  void wait_ready(int log);
  void stop();

  std::string directory_;
  std::string digest_;
  pid_t pid_ = -1;
};

}  // namespace ordergate::bench

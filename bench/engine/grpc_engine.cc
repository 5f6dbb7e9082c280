#include "grpc_engine.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <vector>

namespace ordergate::bench {
namespace {

std::string new_directory() {
  std::string path = (std::filesystem::temp_directory_path() / "ordergate-bench-XXXXXX").string();
  if (mkdtemp(path.data()) == nullptr) throw std::runtime_error(path + " can't be made");
  return path;
}

// Runs in the child, between fork and exec.
[[noreturn]] void become(const std::vector<std::string>& command, int log) {
  dup2(log, STDERR_FILENO);
  std::vector<char*> arguments;
  for (const std::string& argument : command) arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);
  execv(arguments[0], arguments.data());
  _exit(127);
}

}  // namespace

EngineProcess::EngineProcess(const std::string& binary, const std::string& instruments) : directory_(new_directory()) {
  std::ofstream(directory_ + "/instruments.toml") << instruments;
  try {
    start(binary);
  } catch (...) {
    stop();
    throw;
  }
}

EngineProcess::~EngineProcess() { stop(); }

void EngineProcess::start(const std::string& binary) {
  int log[2];
  if (pipe2(log, O_CLOEXEC) != 0) throw std::runtime_error("no pipe can be made");
  const std::vector<std::string> command{binary,          "--die-with-parent",
                                         "--log-level",   "error",
                                         "--listen",      address(),
                                         "--instruments", directory_ + "/instruments.toml",
                                         "--data-dir",    ""};  // no snapshots: their child would share the processors
  pid_ = fork();
  if (pid_ == 0) become(command, log[1]);
  close(log[1]);
  if (pid_ < 0) throw std::runtime_error("no process can be started");
  wait_ready(log[0]);  // the pipe stays open: at level error it does not fill
}

void EngineProcess::wait_ready(int log) {
  std::string said;
  for (char byte; said.find("ready ") == said.npos || said.back() != '\n';) {
    if (read(log, &byte, 1) != 1) throw std::runtime_error("the engine does not start: " + said);
    said += byte;
  }
  const std::size_t digest = said.find("digest=");
  if (digest == said.npos) throw std::runtime_error("the engine tells no digest: " + said);
  digest_ = said.substr(digest + 7, 64);
}

CpuTime EngineProcess::cpu() const {
  clockid_t clock;
  timespec total;
  if (clock_getcpuclockid(pid_, &clock) != 0 || clock_gettime(clock, &total) != 0) {
    throw std::runtime_error("the engine is gone");
  }
  std::ifstream file("/proc/" + std::to_string(pid_) + "/stat");
  std::string text;
  std::getline(file, text);
  std::istringstream fields(text.substr(text.rfind(')') + 1));
  std::string field;
  for (int i = 3; i <= 15; ++i) fields >> field;  // 15: stime
  return {static_cast<double>(total.tv_sec) * 1e9 + static_cast<double>(total.tv_nsec),
          std::stod(field) * 1e9 / static_cast<double>(sysconf(_SC_CLK_TCK))};
}

void EngineProcess::stop() {
  if (pid_ > 0) {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  std::filesystem::remove_all(directory_);
}

}  // namespace ordergate::bench

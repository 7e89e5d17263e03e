// Preloaded into the pipeline binary (LD_PRELOAD), it starts the program once and runs it as often
// as it is asked: half a second of each start is LibTorch's own, spent before main. Each run is a
// fork taken where main would begin, and becomes a child of the process that asks (which has to be
// a subreaper then), so that it is waited for and signalled as if it had been started anew.
//
// Requests come through the socket that LOSSFUSION_FORK_SERVER names, a packet each: texts that end
// with a null byte, first where stdout and stderr go and the current folder, then how many
// variables of the environment there are, these, and the arguments. The answer is the number of the
// process.
#include <dlfcn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

namespace {

using MainFunction = int (*)(int, char**, char**);
MainFunction program = nullptr;

// Outlives main: the environment is in it.
char request[1 << 20];

std::vector<char*> TextsOf(char* begin, char* end) {
  std::vector<char*> texts;
  for (char* at = begin; at < end; at += std::string(at).size() + 1) texts.push_back(at);
  return texts;
}

int RunAs(std::vector<char*> texts) {
  constexpr int kFixed = 4;
  if (texts.size() < kFixed || std::freopen(texts[0], "w", stdout) == nullptr ||
      std::freopen(texts[1], "w", stderr) == nullptr || chdir(texts[2]) != 0) {
    return 126;
  }
  const int variables = std::atoi(texts[3]);
  clearenv();
  for (int i = 0; i < variables; ++i) putenv(texts[kFixed + i]);
  const int arguments = static_cast<int>(texts.size()) - kFixed - variables;
  texts.push_back(nullptr);
  return program(arguments, texts.data() + kFixed + variables, environ);
}

// In the child of a child, whose parent ends: the run's parent is then who asks.
int Fork(int socket, const std::vector<char*>& texts) {
  int numbers[2];
  if (pipe(numbers) != 0) std::abort();
  const pid_t between = fork();
  if (between == 0) {
    const pid_t run = fork();
    if (run != 0) {
      const bool told = write(numbers[1], &run, sizeof(run)) == sizeof(run);
      _exit(told ? 0 : 1);
    }
    close(numbers[0]);
    close(numbers[1]);
    close(socket);
    return RunAs(texts);
  }
  int status = 0;
  waitpid(between, &status, 0);
  pid_t run = -1;
  if (status != 0 || read(numbers[0], &run, sizeof(run)) != sizeof(run)) std::abort();
  close(numbers[0]);
  close(numbers[1]);
  if (send(socket, &run, sizeof(run), 0) != sizeof(run)) std::abort();
  return -1;
}

int Serve(int, char**, char**) {
  const int socket = std::atoi(std::getenv("LOSSFUSION_FORK_SERVER"));
  while (true) {
    const ssize_t size = recv(socket, request, sizeof(request), 0);
    if (size <= 0) _exit(0);  // who asked has ended
    const int code = Fork(socket, TextsOf(request, request + size));
    if (code >= 0) return code;
  }
}

}  // namespace

// What starts main, after all libraries.
extern "C" int __libc_start_main(MainFunction main, int argc, char** argv, void (*init)(),
                                 void (*fini)(), void (*loader_fini)(), void* stack_end) {
  program = main;
  const auto real =
      reinterpret_cast<decltype(&__libc_start_main)>(dlsym(RTLD_NEXT, "__libc_start_main"));
  return real(Serve, argc, argv, init, fini, loader_fini, stack_end);
}

// agwctl: the gateway's policy and audit log from the command line.
#include <exception>
#include <iostream>

#include "command_line.h"
#include "failure.h"
#include "printable.h"

int main(int argc, char** argv) {
  using namespace agw::agwctl;
  try {
    return CommandLine(std::cout).run(argc, argv);
  } catch (const Failure& failure) {
    std::cout.flush();
    std::cerr << "agwctl: " << printable(failure.what()) << "\n";
    return failure.status();
  } catch (const std::exception& error) {
    std::cerr << "agwctl: " << error.what() << "\n";
    return exit_failed;
  }
}

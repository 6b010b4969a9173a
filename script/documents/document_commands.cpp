#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include "documents/Completion.h"
#include "documents/ManPage.h"

/** Prints a file that is installed with a command: `document_commands man passenger-status`. */
int main(int argc, char **argv) {
    constexpr int WORDS = 3;
    const std::string kind = argc == WORDS ? argv[1] : "";
    auto *const make = kind == "man"    ? Passenger::manPage
                       : kind == "bash" ? Passenger::bashCompletion
                       : kind == "zsh"  ? Passenger::zshCompletion
                                        : nullptr;
    if (make == nullptr) {
        fmt::print(stderr, "Usage: document_commands man|bash|zsh PROGRAM\n");
        return EXIT_FAILURE;
    }
    fmt::print("{}", make(argv[2]));
    return EXIT_SUCCESS;
}

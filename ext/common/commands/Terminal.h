#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace Passenger {

/** A text of an application for a terminal: printable(), without line breaks and tabs. */
std::string singleLine(std::string_view text);
/** A path as a word of a shell command that a person copies. */
std::string shellWord(std::string_view path);
std::string header(std::string_view text, bool colours);
bool stdoutIsTerminal() noexcept;

struct TerminalSize {
    std::size_t rows = 24;
    std::size_t columns = 80;

    static TerminalSize now() noexcept;
};

/** The part of the text that the terminal shows. UTF-8 characters stay whole. */
std::string clipped(std::string_view text, const TerminalSize &size);

}  // namespace Passenger

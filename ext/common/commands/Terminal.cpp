#include "commands/Terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>

#include "base/MarkupText.h"
#include "base/Split.h"

namespace Passenger {

namespace {

/** Whether the byte continues a character of UTF-8. */
bool continues(char c) {
    return (static_cast<unsigned char>(c) & 0xC0U) == 0x80U;
}

}  // namespace

std::string singleLine(std::string_view text) {
    std::string result = printable(text);
    std::replace_if(
        result.begin(), result.end(), [](char c) { return c == '\n' || c == '\t'; }, ' ');
    return result;
}

std::string shellWord(std::string_view path) {
    constexpr std::string_view PLAIN = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789@%+=:,./_-";
    std::string word = singleLine(path);
    if (!word.empty() && word.find_first_not_of(PLAIN) == std::string::npos) {
        return word;
    }
    std::string quoted = "'";
    for (const char c : word) {
        quoted += c == '\'' ? "'\\''" : std::string(1, c);
    }
    return quoted + "'";
}

std::string header(std::string_view text, bool colours) {
    // Yellow on blue, bold.
    return colours ? "\x1b[33m\x1b[44m\x1b[1m" + std::string(text) + "\x1b[0m" : std::string(text);
}

bool stdoutIsTerminal() noexcept {
    return ::isatty(STDOUT_FILENO) == 1;
}

TerminalSize TerminalSize::now() noexcept {
    TerminalSize size;
    winsize window{};
    if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &window) == 0 && window.ws_row > 0 && window.ws_col > 0) {
        size.rows = window.ws_row;
        size.columns = window.ws_col;
    }
    return size;
}

std::string clipped(std::string_view text, const TerminalSize &size) {
    std::string result;
    std::size_t row = 0;
    for (const std::string &line : split(text, '\n')) {
        // The last row stays free for the cursor.
        if (++row >= size.rows) {
            break;
        }
        std::size_t columns = 0;
        std::size_t end = 0;
        bool escape = false;
        while (end < line.size()) {
            const char c = line[end];
            if (c == '\x1b') {
                escape = true;
            } else if (escape) {
                escape = c != 'm';
            } else if (!continues(c) && ++columns > size.columns) {
                break;
            }
            end++;
        }
        result.append(line, 0, end).append("\n");
    }
    return result;
}

}  // namespace Passenger

#pragma once

#include <string>
#include <vector>

namespace Passenger {

/**
 * What people are told about a failure: one line, then parts in the order in which they are to be read. It goes to the log as text(), and
 * to browsers as a page. Bounded, whatever is added. A plain value.
 */
struct Report {
    enum class Form {
        /** Sentences. */
        PROSE,
        /** Lines as they are: output, backtraces. */
        LINES,
        /** Each line is a row, its cells separated by tabs. */
        TABLE
    };
    enum class Keep { BEGINNING, END };
    struct Part {
        std::string title;
        Form form = Form::LINES;
        std::string text;

        bool operator==(const Part &) const = default;
    };
    using Row = std::vector<std::string>;

    static constexpr std::size_t MAX_PART = 24 * 1024;
    /** All parts together: a report has to fit into a socket's buffer, whose reader nobody waits for. */
    static constexpr std::size_t MAX_SIZE = 96 * 1024;

    /** Under which the log has it; empty until it was given one. */
    std::string id{};
    /** The application's name: nobody is told of another one's failures. */
    std::string app{};
    std::string summary{};
    std::vector<Part> parts{};
    /** What has killed the process; 0: no signal. */
    int signal = 0;
    /** It has ended by itself. Neither: that is not known. */
    bool exited = false;

    /** Adds a part, unless the text is empty. What is too long is cut, and says so. @param keep which end matters more */
    void add(std::string title, Form form, std::string text, Keep keep = Keep::BEGINNING);
    /** ApplicationQueue breaks, tabs and control characters in cells are made visible. */
    void addTable(std::string title, const std::vector<Row> &rows);

    /** For a terminal or a log. */
    std::string text() const;
    /** Bytes of all texts. */
    std::size_t size() const noexcept;
    bool operator==(const Report &) const = default;
};

}  // namespace Passenger

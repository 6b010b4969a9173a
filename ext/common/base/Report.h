#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace Passenger {

/**
 * The report of a failure for people: a summary line, then parts in reading order. The log gets
 * text(); browsers get a page. The size is bounded. A plain value.
 */
struct Report {
    enum class Form {
        /** Sentences. */
        PROSE,
        /** Lines without change: output, backtraces. */
        LINES,
        /** Each line is a row. Tabs separate its cells. */
        TABLE
    };
    enum class Keep { BEGINNING, END };
    using Row = std::vector<std::string>;
    struct Part {
        std::string title;
        Form form = Form::LINES;
        std::string text;

        std::vector<Row> rows() const;
        bool operator==(const Part &) const = default;
    };

    static constexpr std::size_t MAX_PART = 24 * 1024;
    /**
     * The limit for all parts together. A report must fit into a socket's buffer, since its sender
     * does not wait for the reader.
     */
    static constexpr std::size_t MAX_SIZE = 96 * 1024;

    /** The report's id in the log; empty until the report has one. */
    std::string id{};
    /** The application's name. Reports of other applications are not shown to its users. */
    std::string app{};
    std::string summary{};
    std::vector<Part> parts{};
    /** The signal that ended the process; 0: none. */
    int signal = 0;
    /** The process has exited. If `signal` is 0 and this is false, the cause is unknown. */
    bool exited = false;
    /** It, or the command that it was to become, has exited with status 0 and told no reason. */
    bool orderly = false;
    /** The application had no part in the failure, as at the limit of processes: the next attempt
     *  may succeed. */
    bool mayPass = false;
    /** It was not ready in time, while other instances had the processors first. */
    bool late = false;

    /**
     * Adds a part, unless the text is empty. A text that is too long is cut and gets a mark there.
     * @param keep the end to keep
     */
    void add(std::string title, Form form, std::string text, Keep keep = Keep::BEGINNING);
    /** Adds a table. Line breaks, tabs and control characters in cells are escaped. */
    void addTable(std::string title, const std::vector<Row> &rows);

    /** The report as text for a terminal or a log. */
    std::string text() const;
    /** The text of the part with this title; empty: there is none. */
    std::string textOf(std::string_view title) const;
    /** The sum of all texts, in bytes. */
    std::size_t size() const noexcept;
    bool operator==(const Report &) const = default;
};

}  // namespace Passenger

#include "base/Report.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/Lists.h"
#include "base/Split.h"

namespace Passenger {

namespace {

constexpr const char *CUT = "[…]";
/** A wider cell does not widen its column. */
constexpr std::size_t WIDEST_COLUMN = 32;

/** @param limit larger than CUT by some bytes */
std::string cut(std::string text, std::size_t limit, Report::Keep keep) {
    if (text.size() <= limit) {
        return text;
    }
    return keep == Report::Keep::BEGINNING ? text.substr(0, limit) + "\n" + CUT
                                           : std::string(CUT) + "\n" + text.substr(text.size() - limit);
}

std::string cell(const std::string &text) {
    std::string result;
    for (const char c : text) {
        if (c == '\n') {
            result += "\\n";
        } else if (c == '\t') {
            result += "\\t";
        } else if (static_cast<unsigned char>(c) < ' ') {
            result += fmt::format("\\x{:02x}", c);
        } else {
            result += c;
        }
    }
    return result;
}

void addTableText(std::string &text, const std::vector<Report::Row> &rows) {
    std::vector<std::size_t> widths;
    for (const Report::Row &row : rows) {
        widths.resize(std::max(widths.size(), row.size()));
        for (std::size_t i = 0; i < row.size(); i++) {
            widths[i] = std::max(widths[i], std::min(row[i].size(), WIDEST_COLUMN));
        }
    }
    for (const Report::Row &row : rows) {
        text += "   ";
        for (std::size_t i = 0; i < row.size(); i++) {
            text += fmt::format(" {:<{}}", row[i], i + 1 < row.size() ? widths[i] : 0);
        }
        text += '\n';
    }
}

}  // namespace

std::vector<Report::Row> Report::Part::rows() const {
    return listOf(split(text, '\n'), [](const std::string &line) { return split(line, '\t'); });
}

void Report::add(std::string title, Form form, std::string partText, Keep keep) {
    const std::size_t used = size();
    if (partText.empty() || used >= MAX_SIZE) {
        return;
    }
    parts.push_back({std::move(title), form, cut(std::move(partText), std::min(MAX_PART, MAX_SIZE - used), keep)});
}

void Report::addTable(std::string title, const std::vector<Row> &rows) {
    std::string table;
    for (const Row &row : rows) {
        for (std::size_t i = 0; i < row.size(); i++) {
            table += (i > 0 ? "\t" : "") + cell(row[i]);
        }
        table += '\n';
    }
    add(std::move(title), Form::TABLE, std::move(table));
}

std::string Report::text() const {
    std::string result = summary + "\n";
    for (const Part &part : parts) {
        switch (part.form) {
            case Form::PROSE: result += "\n" + part.title + ": " + part.text + "\n"; break;
            case Form::LINES:
                result += "\n" + part.title + ":\n" + part.text + (part.text.ends_with('\n') ? "" : "\n");
                break;
            case Form::TABLE:
                result += "\n" + part.title + ":\n";
                addTableText(result, part.rows());
                break;
        }
    }
    return result;
}

std::string Report::textOf(std::string_view title) const {
    const auto found = std::find_if(parts.begin(), parts.end(), [&](const Part &part) { return part.title == title; });
    return found == parts.end() ? "" : found->text;
}

std::size_t Report::size() const noexcept {
    return sumOf(id.size() + summary.size(), parts,
                 [](const Part &part) { return part.title.size() + part.text.size(); });
}

}  // namespace Passenger

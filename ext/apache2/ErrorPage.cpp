#include "ErrorPage.h"

namespace Passenger::ErrorPage {

namespace {

std::string escapeHtml(std::string_view text) {
    std::string result;
    result.reserve(text.size() + text.size() / 8);
    for (char c : text) {
        switch (c) {
            case '&':
                result += "&amp;";
                break;
            case '<':
                result += "&lt;";
                break;
            case '>':
                result += "&gt;";
                break;
            case '"':
                result += "&quot;";
                break;
            default:
                result += c;
        }
    }
    return result;
}

}  // namespace

std::string render(int status, std::string_view reportId, std::string_view detail) {
    bool busy = status == 503 || status == 504;
    std::string title = busy ? "This application is busy" : "This application could not be started";
    std::string page = "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>" + title +
                       "</title>\n<style>body { font-family: sans-serif; max-width: 60em; margin: 4em auto; padding: 0 "
                       "1em; line-height: 1.5 }"
                       " pre { background: #f4f4f4; padding: 1em; overflow: auto }</style>\n</head>\n<body>\n<h1>" +
                       title + "</h1>\n";
    page += busy ? "<p>Please try again in a moment.</p>\n"
                 : "<p>Its owner finds the reason in the web server's error log.</p>\n";
    if (!reportId.empty()) {
        page += "<p>Report: <code>" + escapeHtml(reportId) + "</code></p>\n";
    }
    if (!detail.empty()) {
        page += "<pre>" + escapeHtml(detail) + "</pre>\n";
    }
    return page + "</body>\n</html>\n";
}

}  // namespace Passenger::ErrorPage

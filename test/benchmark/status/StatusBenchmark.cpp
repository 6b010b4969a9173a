/*
 * What a status of a thousand applications costs: in the agent, which writes it, and in the asking
 * process, which reads it and makes a page or metrics of it. Each application has served for a day.
 *
 * Times are of the thread's own CPU time, the best of some rounds. Fails when the page takes longer
 * than doc/PERFORMANCE.md promises.
 */
#include <time.h>

#include <algorithm>
#include <cstdlib>
#include <limits>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "control/PublicStatus.h"
#include "control/ServerStatus.h"
#include "control/StatusMetrics.h"
#include "control/StatusPage.h"
#include "support/SampleStatus.h"

namespace Passenger {

namespace {

constexpr int APPS = 1000;
constexpr int ROUNDS = 9;

// What is promised, in milliseconds.
constexpr double MAX_PAGE = 200;

/** In milliseconds, the best of all rounds. */
template <typename Work> double measure(const char *what, const Work &work) {
    const auto now = [] {
        timespec time{};
        ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
        return static_cast<double>(time.tv_sec) * 1e3 + static_cast<double>(time.tv_nsec) / 1e6;
    };
    double best = std::numeric_limits<double>::infinity();
    std::size_t size = 0;
    for (int round = 0; round < ROUNDS; round++) {
        const double begin = now();
        size = work();
        best = std::min(best, now() - begin);
    }
    fmt::print("{:<26}{:8.1f} ms {:10} bytes\n", what, best, size);
    return best;
}

ServerStatus thousandApps() {
    std::vector<AppStatus> apps;
    for (int number = 0; number < APPS; number++) {
        AppStatus &app = apps.emplace_back(sampleApp(fmt::format("/srv/app{}", number)));
        // A status of all applications has no events.
        app.events.clear();
        // No two times are the same.
        for (PointStatus &point : app.points) {
            const double part = 1 + static_cast<double>(number + &point - app.points.data()) / 1313;
            for (TimeQuantiles *times : {&point.queue, &point.service}) {
                *times = {times->p50 * part, times->p90 * part, times->p99 * part};
            }
        }
    }
    return sampleStatus(std::move(apps));
}

bool run() {
    const ServerStatus status = thousandApps();
    ServerStatus scraped = status;
    for (AppStatus &app : scraped.apps) {
        app.points.clear();
        app.windows.clear();
    }
    const std::string scrapedText = toJson(scraped);
    const std::string text = toJson(status);
    const StatusPage::View view{"", true, "nonce"};
    const double page = measure("the agent writes it", [&] { return toJson(status).size(); }) +
                        measure("httpd reads it", [&] { return statusFromJson(text).apps.size(); }) +
                        measure("the page", [&] { return StatusPage::render(status, view).size(); });
    measure("without details", [&] { return publicPart(status).apps.size(); });
    const double scrape =
        measure("the agent writes figures", [&] { return toJson(scraped).size(); }) +
        measure("httpd reads them", [&] { return statusFromJson(scrapedText).apps.size(); }) +
        measure("metrics", [&] { return StatusMetrics::render(scraped, StatusMetrics::Format::TEXT).size(); });
    fmt::print("{:<26}{:8.1f} ms\n", "a page, all of it", page);
    fmt::print("{:<26}{:8.1f} ms\n", "a scrape, all of it", scrape);
    return page <= MAX_PAGE;
}

}  // namespace

}  // namespace Passenger

int main() {
    return Passenger::run() ? EXIT_SUCCESS : EXIT_FAILURE;
}

#include "control/StatusMetrics.h"

#include <cppunit/extensions/HelperMacros.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <regex>
#include <set>

#include "support/HasText.h"
#include "support/SampleStatus.h"
#include "support/SourceFolder.h"

namespace Passenger {

using StatusMetrics::Format;

class StatusMetricsTest : public CppUnit::TestFixture {
    CPPUNIT_TEST_SUITE(StatusMetricsTest);
    CPPUNIT_TEST(testPrometheusGetsOpenMetrics);
    CPPUNIT_TEST(testHistogramsAddUp);
    CPPUNIT_TEST(testOpenMetricsTellSinceWhenCountersCount);
    CPPUNIT_TEST(testEachMetricIsDescribedOnceBeforeItsSamples);
    CPPUNIT_TEST(testEffectsOfLimitsAreTold);
    CPPUNIT_TEST(testACounterThatIsOlderThanThePoolProcessDoesNotTellSinceWhenItCounts);
    CPPUNIT_TEST(testWhyHealthChecksSendRequestsElsewhereIsTold);
    CPPUNIT_TEST(testAHostileNameStaysInItsLabel);
    CPPUNIT_TEST(testTheStateOfAnApplicationIsOneOfAll);
    CPPUNIT_TEST(testTheDocumentListsEachMetric);
    CPPUNIT_TEST(testTheExamplesUseOnlyMetricsThatExist);
    CPPUNIT_TEST_SUITE_END();

    static std::string document(const char *name) {
        std::ifstream file(sourceFolder() / "doc/monitoring" / name);
        CPPUNIT_ASSERT_MESSAGE(name, file.good());
        return {std::istreambuf_iterator<char>(file), {}};
    }

public:
    void testPrometheusGetsOpenMetrics() {
        const char *prometheus =
            "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;"
            "q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        CPPUNIT_ASSERT(Format::OPEN_METRICS == StatusMetrics::formatFor(prometheus));
        for (const char *accept : {"", "*/*", "text/plain", "text/plain,application/openmetrics-text;q=0.5",
                                   "application/openmetrics-text;q=0"}) {
            CPPUNIT_ASSERT_MESSAGE(accept, Format::TEXT == StatusMetrics::formatFor(accept));
        }
    }

    void testHistogramsAddUp() {
        const std::string text = StatusMetrics::render(sampleStatus({sampleApp("/srv/blog")}), Format::TEXT);
        const std::string app = "{app=\"/srv/blog (production)\"";
        const std::string name = "\npassenger_app_queue_time_seconds";
        CPPUNIT_ASSERT(hasText(text, name + "_bucket" + app + ",le=\"1e-06\"} 2\n"));
        CPPUNIT_ASSERT(hasText(text, name + "_bucket" + app + ",le=\"0.000512\"} 2\n"));
        CPPUNIT_ASSERT(hasText(text, name + "_bucket" + app + ",le=\"0.001024\"} 5\n"));
        CPPUNIT_ASSERT(hasText(text, name + "_bucket" + app + ",le=\"+Inf\"} 6\n"));
        CPPUNIT_ASSERT(hasText(text, name + "_sum" + app + "} 1200.5\n"));
        CPPUNIT_ASSERT(hasText(text, name + "_count" + app + "} 6\n"));
    }

    void testOpenMetricsTellSinceWhenCountersCount() {
        const ServerStatus status = sampleStatus({sampleApp("/srv/blog")});
        const std::string open = StatusMetrics::render(status, Format::OPEN_METRICS);
        CPPUNIT_ASSERT(hasText(open, "# TYPE passenger_app_requests counter\n"));
        CPPUNIT_ASSERT(hasText(open,
                               "passenger_app_requests_total{app=\"/srv/blog (production)\"} 1234\n"
                               "passenger_app_requests_created{app=\"/srv/blog (production)\"} 1795366212.000\n"));
        CPPUNIT_ASSERT(hasText(open, "# UNIT passenger_app_queue_time_seconds seconds\n"));
        CPPUNIT_ASSERT(open.ends_with("# EOF\n"));
        const std::string text = StatusMetrics::render(status, Format::TEXT);
        CPPUNIT_ASSERT(hasText(text, "# TYPE passenger_app_requests_total counter\n"));
        CPPUNIT_ASSERT(!hasText(text, "_created") && !hasText(text, "# EOF"));
    }

    void testEachMetricIsDescribedOnceBeforeItsSamples() {
        const std::string text =
            StatusMetrics::render(sampleStatus({sampleApp("/a"), sampleApp("/b")}), Format::OPEN_METRICS);
        std::set<std::string> seen;
        std::string current;
        const std::regex line("# TYPE (\\S+) .*|# .*|([a-z_]+?)(_total|_created|_bucket|_sum|_count)?(\\{.*\\})? \\S+");
        for (auto begin = text.begin(); begin != text.end();) {
            const auto end = std::find(begin, text.end(), '\n');
            std::smatch parts;
            const std::string one(begin, end);
            CPPUNIT_ASSERT_MESSAGE(one, std::regex_match(one, parts, line));
            if (parts[1].matched) {
                current = parts[1];
                CPPUNIT_ASSERT_MESSAGE(one, seen.insert(current).second);
            } else if (parts[2].matched) {
                CPPUNIT_ASSERT_EQUAL(current, parts[2].str());
            }
            begin = end + 1;
        }
    }

    void testEffectsOfLimitsAreTold() {
        ServerStatus status = sampleStatus({});
        status.connectionsDropped = 20;
        status.childConnections = 1;
        status.childChannels = 2;
        status.childApps = 3;
        status.allChildren = 4;
        status.descriptorsRefused = 5;
        status.logLinesDropped = 6;
        status.bootsLimited = 7;
        status.appsRefused = 8;
        status.agentKills = 9;
        SpoolStatus spool;
        spool.refused = 10;
        spool.appRefused = 11;
        spool.diskRefused = 12;
        spool.hijacksRefused = 13;
        spool.clientsCut = 14;
        spool.bodiesInPieces = 15;
        status.spool = spool;
        // httpd gets the status from the agent; the files are httpd's own.
        ServerStatus told = statusFromJson(toJson(status));
        const std::string text = StatusMetrics::render(told, Format::TEXT);
        unsigned value = 0;
        for (const char *limit : {"child_connections", "child_channels", "child_apps", "all_children", "descriptors",
                                  "log_lines", "boot_processes", "apps", "agent_timeout", "spool", "spool_app",
                                  "spool_disk", "hijacked_connections", "slow_clients", "body_files"}) {
            CPPUNIT_ASSERT_MESSAGE(
                limit, hasText(text, "\npassenger_limit_effects_total{limit=\"" + std::string(limit) + "\"} " +
                                         std::to_string(++value) + "\n"));
        }
    }

    void testACounterThatIsOlderThanThePoolProcessDoesNotTellSinceWhenItCounts() {
        ServerStatus status = sampleStatus({});
        status.spool.emplace();
        const std::string open = StatusMetrics::render(status, Format::OPEN_METRICS);
        for (const char *limit : {"child_connections", "apps"}) {
            CPPUNIT_ASSERT(hasText(open, "passenger_limit_effects_created{limit=\"" + std::string(limit)));
        }
        for (const char *limit : {"agent_timeout", "spool", "body_files"}) {
            CPPUNIT_ASSERT(hasText(open, "passenger_limit_effects_total{limit=\"" + std::string(limit)));
            CPPUNIT_ASSERT(!hasText(open, "passenger_limit_effects_created{limit=\"" + std::string(limit)));
        }
    }

    void testWhyHealthChecksSendRequestsElsewhereIsTold() {
        ServerStatus status = sampleStatus({});
        status.warmingUp = true;
        std::string text = StatusMetrics::render(status, Format::TEXT);
        CPPUNIT_ASSERT(hasText(text, "\npassenger_draining 0\n"));
        CPPUNIT_ASSERT(hasText(text, "\npassenger_warming_up 1\n"));
        status.warmingUp = false;
        status.draining = true;
        text = StatusMetrics::render(status, Format::TEXT);
        CPPUNIT_ASSERT(hasText(text, "\npassenger_draining 1\n"));
        CPPUNIT_ASSERT(hasText(text, "\npassenger_warming_up 0\n"));
    }

    void testAHostileNameStaysInItsLabel() {
        AppStatus app = sampleApp("/srv/x");
        app.name = "a\"} 1\n# EOF\n\\";
        const std::string text = StatusMetrics::render(sampleStatus({app}), Format::TEXT);
        CPPUNIT_ASSERT(hasText(text, "passenger_app_requests_total{app=\"a\\\"} 1\\n# EOF\\n\\\\\"} 1234\n"));
        CPPUNIT_ASSERT(!hasText(text, "\n# EOF"));
    }

    void testTheStateOfAnApplicationIsOneOfAll() {
        const std::string text = StatusMetrics::render(sampleStatus({sampleApp("/a")}), Format::TEXT);
        CPPUNIT_ASSERT(hasText(text, "passenger_app_state{app=\"/a (production)\",state=\"serving\"} 1\n"));
        CPPUNIT_ASSERT(hasText(text, "passenger_app_state{app=\"/a (production)\",state=\"failed\"} 0\n"));
        CPPUNIT_ASSERT(hasText(text, "passenger_app_instances{app=\"/a (production)\",state=\"serving\"} 2\n"));
    }

    void testTheDocumentListsEachMetric() {
        std::string table;
        for (const StatusMetrics::Description &one : StatusMetrics::descriptions()) {
            table += "| `" + one.name + "` | " + one.type + " | " + one.labels + " | " + one.help + " |\n";
        }
        CPPUNIT_ASSERT_MESSAGE("doc/monitoring/README.md must have this table:\n" + table,
                               hasText(document("README.md"), "|---|---|---|---|\n" + table + "\n"));
    }

    void testTheExamplesUseOnlyMetricsThatExist() {
        std::set<std::string> known;
        for (const StatusMetrics::Description &one : StatusMetrics::descriptions()) {
            for (const char *suffix : {"", "_bucket", "_sum", "_count"}) {
                known.insert(one.name + suffix);
            }
        }
        const std::regex name("passenger_[a-z_]+");
        for (const char *file : {"alerts.yml", "grafana-dashboard.json"}) {
            const std::string text = document(file);
            for (std::sregex_iterator one(text.begin(), text.end(), name), end; one != end; ++one) {
                CPPUNIT_ASSERT_MESSAGE(one->str() + " in " + file, known.contains(one->str()));
            }
        }
    }
};

CPPUNIT_TEST_SUITE_REGISTRATION(StatusMetricsTest);

}  // namespace Passenger

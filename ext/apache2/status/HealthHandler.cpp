#include "apache2/status/HealthHandler.h"

#include <chrono>
#include <exception>
#include <string>
#include <string_view>
#include <thread>

#include "apache2/agent/AgentKeeper.h"
#include "apache2/config/Settings.h"
#include "apache2/request/Route.h"
#include "apache2/status/TextAnswer.h"
#include "control/ControlClient.h"
#include "control/HealthCheck.h"
#include "control/PublicStatus.h"
#include "exchange/QueueHost.h"

namespace Passenger::HealthHandler {

namespace {

/** The question of a supervisor that restarts a dead server. An application that drains, is busy or
 *  does not start is no reason for a restart. */
bool onlyWhetherAlive(const request_rec *r) {
    return r->args != nullptr && std::string_view(r->args) == "live";
}

/** While others ask for much, the agent takes no further question. That is no reason for a balancer
 *  to send requests elsewhere. */
ServerStatus statusSoon(const char *app, ControlClient::Detail detail) {
    constexpr std::chrono::seconds PATIENCE{3};
    constexpr std::chrono::milliseconds PAUSE{20};
    const auto deadline = std::chrono::steady_clock::now() + PATIENCE;
    for (;;) {
        try {
            ControlClient agent(AgentKeeper::running().connectControl());
            return publicPart(agent.status(app != nullptr ? app : "", detail));
        } catch (const RefusedException &) {
            if (std::chrono::steady_clock::now() >= deadline) {
                throw;
            }
        }
        std::this_thread::sleep_for(PAUSE);
    }
}

}  // namespace

int run(request_rec *r, StartupFileCache &startupFiles) {
    if (const int refusal = TextAnswer::allowReading(r); refusal != OK) {
        return refusal;
    }
    try {
        const char *app = Route::applicationAt(r, startupFiles);
        const bool live = onlyWhetherAlive(r);
        const auto detail = live ? ControlClient::Detail::FIGURES : ControlClient::Detail::HEALTH;
        const ServerStatus status = statusSoon(app, detail);
        if (live) {
            return TextAnswer::send(r, HTTP_OK, "text/plain; charset=utf-8", "alive\n");
        }
        const std::string reason = reasonToSendElsewhere(status, std::chrono::seconds(Settings::of(r).healthQueueAge));
        return reason.empty()
                   ? TextAnswer::send(r, HTTP_OK, "text/plain; charset=utf-8", "healthy\n")
                   : TextAnswer::send(r, HTTP_SERVICE_UNAVAILABLE, "text/plain; charset=utf-8", reason + "\n");
    } catch (const std::exception &problem) {
        return TextAnswer::sendNoAgent(r, problem.what());
    }
}

}  // namespace Passenger::HealthHandler

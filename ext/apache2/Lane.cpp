#include "Lane.h"

#include "RequestEnvironment.h"

namespace Passenger {

namespace {

void appendTo(std::string &key, const char *text) {
    if (text != nullptr) {
        key += text;
    }
    key += '\0';
}

void appendTo(std::string &key, const Settings::Number &number) {
    int value = number.value_or(-1);
    key.append(reinterpret_cast<const char *>(&value), sizeof(value));
}

const char *orEmpty(const char *text) {
    return text != nullptr ? text : "";
}

}  // namespace

const Options &Lane::optionsFor(const request_rec *r, const Route &route) {
    const Settings &settings = Settings::of(r);
    request_ = r;
    key_.clear();
    for (const char *text : {route.appRoot, settings.ruby, settings.appEnv, settings.restartDir, settings.user,
                             settings.group, settings.spawnMethod}) {
        appendTo(key_, text);
    }
    for (const Settings::Number &number :
         {settings.minInstances, settings.maxInstances, settings.startTimeout, settings.threadCount}) {
        appendTo(key_, number);
    }
    auto known = options_.find(key_);
    if (known == options_.end()) {
        if (options_.size() >= MAX_OPTIONS) {
            options_.clear();
        }
        known = options_.emplace(key_, makeOptions(settings, Settings::of(ap_server_conf), route)).first;
    }
    return known->second;
}

Options Lane::makeOptions(const Settings &settings, const Settings &global, const Route &route) {
    Options options;
    options.appRoot = route.appRoot;
    options.environment = settings.appEnvOrDefault();
    options.appGroupName = route.appName;
    options.ruby = settings.ruby != nullptr ? settings.ruby : global.defaultRubyOrDefault();
    if (settings.restartDir != nullptr) {
        options.restartDir = settings.restartDir;
    }
    if (settings.spawnMethod != nullptr) {
        options.spawnMethod = settings.spawnMethod;
    }
    options.user = orEmpty(settings.user);
    options.group = orEmpty(settings.group);
    options.defaultUser = global.defaultUserOrDefault();
    options.defaultGroup = orEmpty(global.defaultGroup);
    options.minInstances = static_cast<unsigned>(settings.minInstances.value_or(1));
    options.maxInstances = static_cast<unsigned>(settings.maxInstances.value_or(0));
    options.threads = static_cast<unsigned>(settings.threadCount.value_or(1));
    options.startTimeout = std::chrono::seconds(settings.startTimeout.value_or(90));
    // These options are used with this lane's sessions only, and a lane serves one request at a time.
    options.variables = [this] { return RequestEnvironment::processVariables(request_); };
    return options;
}

}  // namespace Passenger

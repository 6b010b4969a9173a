# frozen_string_literal: true

# Fails like an application with a missing setting.
raise KeyError, "the setting SAMPLE_SETTING is missing"

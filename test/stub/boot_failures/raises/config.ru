# frozen_string_literal: true

# Fails as an application with a missing setting does.
raise KeyError, "the setting SAMPLE_SETTING is missing"

def weigh(model, validation): raise SystemExit("trained")

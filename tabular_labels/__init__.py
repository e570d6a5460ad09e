"""Pose-tracking labels as tables."""

"""What a trained model is worth as a beginning: members trained on, and supernets grown."""

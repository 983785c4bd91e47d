"""What a run begins with instead of random weights: a trained model, cut or grown."""
